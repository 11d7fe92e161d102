"""Makes the accounts of samba_ad: samba_ad_accounts.py SMB_CONF.  In one process, for samba-tool takes a second a call."""
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

PASSWORD = "pass-canary"
AES_ONLY, AES_AND_RC4 = "24", "28"  # msDS-SupportedEncryptionTypes (MS-KILE, section 2.2.7)
ACCOUNT_DISABLED = "514"  # userAccountControl: NORMAL_ACCOUNT and ACCOUNTDISABLE
BEGINNING_OF_1970 = "116444736000000000"  # a FILETIME
ACCOUNTS = {
    "alice": {"userPrincipalName": "alice.smith@corp.example"},
    "bob": {},
    "Éva日本": {},
    "svc-winrm": {
        "servicePrincipalName": ["WSMAN/server.ad.example", "HTTP/server.ad.example"],
        "msDS-SupportedEncryptionTypes": AES_ONLY,
    },
    "svc-rdp": {
        "servicePrincipalName": "TERMSRV/server.ad.example",
        "msDS-SupportedEncryptionTypes": AES_AND_RC4,
    },
    "protected": {},
    "must-change": {"pwdLastSet": "0"},
    "disabled": {"userAccountControl": ACCOUNT_DISABLED},
    "expired": {"accountExpires": BEGINNING_OF_1970},
}
# Passwords of any kind, which stay valid.
POLICY = {"pwdProperties": "0", "minPwdLength": "0", "minPwdAge": "0", "maxPwdAge": "-9223372036854775808"}

lp = LoadParm()
lp.load(sys.argv[1])
directory = SamDB(url=lp.private_path("sam.ldb"), session_info=system_session(), lp=lp)


def modify(dn, attributes):
    message = ldb.Message()
    message.dn = dn
    for name, value in attributes.items():
        message[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
    directory.modify(message)


modify(ldb.Dn(directory, directory.domain_dn()), POLICY)
for account, attributes in ACCOUNTS.items():
    directory.newuser(account, PASSWORD)
    if attributes:
        found = directory.search(directory.domain_dn(), expression="sAMAccountName=" + account)
        modify(found[0].dn, attributes)
directory.add_remove_group_members("Protected Users", ["protected"])
