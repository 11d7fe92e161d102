//! Logons that succeed, and logons that must not.

use super::*;
use bytes::BytesMut;

fn talk(established: &mut Established) {
    for (from, to) in [(&mut established.client, &mut established.server)] {
        let mut message = BytesMut::from(&b"to the server"[..]);
        from.wrap_in_place(&mut message).unwrap();
        assert_eq!(to.unwrap_in_place(&mut message).unwrap(), b"to the server");
        let mut message = BytesMut::from(&b"to the client"[..]);
        to.wrap_in_place(&mut message).unwrap();
        assert_eq!(
            from.unwrap_in_place(&mut message).unwrap(),
            b"to the client"
        );
    }
}

#[test]
fn a_password_proves_the_account_and_protects_messages() {
    let mut established = Exchange::new()
        .run(Some(Account::password("Password")))
        .unwrap();
    assert_eq!(established.account, AccountName::new("Domain", "User"));
    assert_eq!(established.status, None);
    talk(&mut established);
}
