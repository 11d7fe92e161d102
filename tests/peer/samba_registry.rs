use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Samba's registry, a database of its own for each value, which `net registry` fills and exports.
pub struct SambaRegistry {
    folder: PathBuf,
}

impl SambaRegistry {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("samba_registry-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut configuration = "[global]\n".to_owned();
        for (option, below) in [
            ("private dir", "private"),
            ("state directory", "state"),
            ("lock directory", "lock"),
            ("cache directory", "cache"),
            ("pid directory", "pid"),
            ("ncalrpc dir", "ncalrpc"),
        ] {
            let path = folder.join(below);
            fs::create_dir_all(&path).expect("a folder");
            configuration.push_str(&format!("{option} = {}\n", path.display()));
        }
        fs::write(folder.join("smb.conf"), configuration).expect("a file");
        Self { folder }
    }

    /// Imports a file.
    pub fn import(&self, file: &[u8]) {
        let path = self.folder.join("import.reg");
        fs::write(&path, file).expect("a file");
        self.net(&["import", path.to_str().expect("a path in UTF-8")]);
    }

    /// Exports all below a key.
    pub fn export(&self, key: &str) -> Vec<u8> {
        let path = self.folder.join("export.reg");
        self.net(&["export", key, path.to_str().expect("a path in UTF-8")]);
        fs::read(path).expect("a file")
    }

    fn net(&self, arguments: &[&str]) {
        let output = Command::new("/usr/bin/net")
            .arg("-s")
            .arg(self.folder.join("smb.conf"))
            .arg("registry")
            .args(arguments)
            // Its texts are in the encoding of the locale.
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("net");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}

impl Drop for SambaRegistry {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
