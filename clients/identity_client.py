"""Identity providers as companies run them, against the running cloud at AWS_ENDPOINT_URL: assertions that signxml signs, tokens
that PyJWT signs, and the SDK that brings them. Ends at the first untrue thing."""

import base64
import contextlib
import datetime
import http.server
import json
import os
import ssl
import tempfile
import threading
import time

import boto3
import jwt
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from signxml import XMLSigner, methods

import checks
from checks import same

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ME = "000000000000"
ISSUER = "https://idp.example.com"
ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
SIGN_IN = "https://signin.aws.amazon.com/saml"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECRET = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def client(name, keys=None):
    """A client; `keys` are what STS answers with."""
    keys = keys or {"AccessKeyId": "test", "SecretAccessKey": "test"}
    return boto3.client(
        name,
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken"),
        config=Config(retries={"total_max_attempts": 1}),
    )


iam = client("iam")
# Who has no keys signs nothing.
anybody = boto3.client("sts", endpoint_url=ENDPOINT, region_name="us-east-1", config=Config(signature_version=UNSIGNED))


@contextlib.contextmanager
def refused(what, code, text):
    """What is done inside is refused with this code, in a message that has this text."""
    try:
        yield
    except ClientError as error:
        answer = error.response["Error"]
        same(f"{what}: {code}", (answer["Code"], text in answer["Message"]), (code, True))
    else:
        same(what, "done", "refused")


def certificate(name):
    """A certificate of the key, which nobody vouches for."""
    whose = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(whose, whose, KEY.public_key(), 1, now - datetime.timedelta(1), now + datetime.timedelta(1))
    return builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False).sign(KEY, hashes.SHA256())


def trusting(provider, action, condition):
    """A role whom those may assume for whom a provider vouches."""
    statement = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": f"sts:{action}", "Condition": condition}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return iam.create_role(RoleName=f"by-{action}", AssumeRolePolicyDocument=document)["Role"]["Arn"]


def metadata(signing):
    body = base64.b64encode(signing.public_bytes(serialization.Encoding.DER)).decode()
    return f"""<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{ISSUER}">
  <IDPSSODescriptor protocolSupportEnumeration="{PROTOCOL}">
    <KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>
      <ds:X509Certificate>{body}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>
    <NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</NameIDFormat>
    <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{ISSUER}/sso"/>
  </IDPSSODescriptor>
</EntityDescriptor>"""


def response(role, provider, signing, parts, form=EXCLUSIVE):
    """A response of which these parts are signed."""

    def at(seconds):
        moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    attributes = "".join(
        f'<saml:Attribute Name="https://aws.amazon.com/SAML/Attributes/{name}"><saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">{value}</saml:AttributeValue></saml:Attribute>'
        for name, value in [("Role", f"{provider},{role}"), ("RoleSessionName", "joerg")])
    root = etree.fromstring(f"""<samlp:Response xmlns:samlp="{PROTOCOL}" xmlns:saml="{ASSERTION}" ID="_whole" Version="2.0" IssueInstant="{at(0)}">
  <saml:Issuer>{ISSUER}</saml:Issuer>
  <samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
  <saml:Assertion ID="_part" Version="2.0" IssueInstant="{at(0)}">
    <saml:Issuer>{ISSUER}</saml:Issuer>
    <saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient">jörg &amp; co</saml:NameID>
      <saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
        <saml:SubjectConfirmationData NotOnOrAfter="{at(300)}" Recipient="{SIGN_IN}"/></saml:SubjectConfirmation></saml:Subject>
    <saml:Conditions NotBefore="{at(-5)}" NotOnOrAfter="{at(300)}"><saml:AudienceRestriction>
      <saml:Audience>urn:amazon:webservices</saml:Audience></saml:AudienceRestriction></saml:Conditions>
    <saml:AuthnStatement AuthnInstant="{at(0)}"/>
    <saml:AttributeStatement>{attributes}</saml:AttributeStatement>
  </saml:Assertion>
</samlp:Response>""".encode())
    pem = signing.public_bytes(serialization.Encoding.PEM).decode()
    for id in parts:
        part = root if id == "_whole" else root.find(f"{{{ASSERTION}}}Assertion")
        signer = XMLSigner(method=methods.enveloped, signature_algorithm="rsa-sha256", digest_algorithm="sha256", c14n_algorithm=form)
        signed = signer.sign(part, key=SECRET, cert=pem, reference_uri=f"#{id}", id_attribute="ID")
        if part is root:
            root = signed
        else:
            root.replace(part, signed)
    return etree.tostring(root)


def saml():
    signing = certificate("idp")
    provider = iam.create_saml_provider(SAMLMetadataDocument=metadata(signing), Name="corporate")["SAMLProviderArn"]
    role = trusting(provider, "AssumeRoleWithSAML", {"StringEquals": {"SAML:aud": SIGN_IN}})

    def assume(xml):
        assertion = base64.b64encode(xml).decode()
        return anybody.assume_role_with_saml(RoleArn=role, PrincipalArn=provider, SAMLAssertion=assertion)

    for what, parts, form in [
        ("an assertion", ["_part"], EXCLUSIVE),
        ("a response", ["_whole"], EXCLUSIVE),
        ("both", ["_part", "_whole"], EXCLUSIVE),
        ("an assertion in another form", ["_part"], "http://www.w3.org/2006/12/xml-c14n11"),
    ]:
        made = assume(response(role, provider, signing, parts, form))
        same(f"{what} that is signed", (made["Subject"], made["SubjectType"]), ("jörg & co", "transient"))
    arn = f"arn:aws:sts::{ME}:assumed-role/by-AssumeRoleWithSAML/joerg"
    same("who it is", client("sts", made["Credentials"]).get_caller_identity()["Arn"], arn)
    with refused("somebody else's name", "InvalidIdentityToken", "Response signature invalid"):
        assume(response(role, provider, signing, ["_part"]).replace(b"joerg", b"admin"))
    with refused("nothing signed", "InvalidIdentityToken", "Response signature invalid"):
        assume(response(role, provider, signing, []))


class Provider(http.server.BaseHTTPRequestHandler):
    """Publishes its keys."""

    pages = {}

    def do_GET(self):
        body = json.dumps(self.pages.get(self.path)).encode()
        self.send_response(200 if self.path in self.pages else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words):
        pass


def served(own):
    """The address at which the keys are."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain = os.path.join(folder, "chain.pem")
        with open(chain, "wb") as file:
            file.write(own.public_bytes(serialization.Encoding.PEM) + SECRET)
        context.load_cert_chain(chain)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"https://localhost:{server.server_port}"


def openid():
    own = certificate("localhost")
    issuer = served(own)
    host = issuer.removeprefix("https://")
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": "one", "use": "sig", "alg": "RS256"}
    Provider.pages = {
        "/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{issuer}/keys"},
        "/keys": {"keys": [key]},
    }
    provider = iam.create_open_id_connect_provider(
        Url=issuer, ClientIDList=["sts.amazonaws.com"], ThumbprintList=[own.fingerprint(hashes.SHA1()).hex()])
    condition = {"StringEquals": {f"{host}:aud": "sts.amazonaws.com"}, "StringLike": {f"{host}:sub": "repo:mine/*"}}
    role = trusting(provider["OpenIDConnectProviderArn"], "AssumeRoleWithWebIdentity", condition)

    def assume(**more):
        now = int(time.time())
        claims = {"iss": issuer, "sub": "repo:mine/x", "aud": "sts.amazonaws.com", "iat": now, "exp": now + 300} | more
        token = jwt.encode(claims, SECRET, algorithm="RS256", headers={"kid": "one"})
        return anybody.assume_role_with_web_identity(RoleArn=role, RoleSessionName="ci", WebIdentityToken=token)

    made = assume()
    same("a token", (made["SubjectFromWebIdentityToken"], made["Provider"]), ("repo:mine/x", issuer))
    arn = f"arn:aws:sts::{ME}:assumed-role/by-AssumeRoleWithWebIdentity/ci"
    same("who it is", client("sts", made["Credentials"]).get_caller_identity()["Arn"], arn)
    with refused("somebody else's repository", "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"):
        assume(sub="repo:others/x")
    with refused("another audience", "InvalidIdentityToken", "Incorrect token audience"):
        assume(aud="others")
    with refused("a token that is over", "ExpiredTokenException", "Token expired"):
        assume(exp=int(time.time()) - 1)
    Provider.pages["/keys"] = {"keys": []}
    with refused("keys that are gone", "InvalidIdentityToken", "Couldn't retrieve verification key"):
        assume()


def organization():
    """Accounts under service control policies; each account's number is its root user's access key."""
    ours = client("organizations", {"AccessKeyId": "999988887777", "SecretAccessKey": "test"})
    ours.create_organization()
    root = ours.list_roots()["Roots"][0]["Id"]
    ours.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    asked = ours.create_account(Email="dev@example.com", AccountName="dev")["CreateAccountStatus"]["Id"]
    deadline = time.monotonic() + 20
    while (status := ours.describe_create_account_status(CreateAccountRequestId=asked)["CreateAccountStatus"])["State"] == "IN_PROGRESS":
        same("an account is made in time", time.monotonic() < deadline, True)
        time.sleep(0.1)
    account = status["AccountId"]
    theirs = client("sqs", {"AccessKeyId": account, "SecretAccessKey": "test"})
    theirs.create_queue(QueueName="before")
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sqs:CreateQueue", "Resource": "*"}]})
    policy = ours.create_policy(Content=document, Description="", Name="no-queues", Type="SERVICE_CONTROL_POLICY")
    policy = policy["Policy"]["PolicySummary"]["Id"]
    ours.attach_policy(PolicyId=policy, TargetId=account)
    with refused("what the organization denies", "AccessDenied", ""):
        theirs.create_queue(QueueName="after")
    pages = ours.get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 1})
    same("its accounts", [a["Id"] for page in pages for a in page["Accounts"]], sorted(["999988887777", account]))
    ours.detach_policy(PolicyId=policy, TargetId=account)
    theirs.create_queue(QueueName="after")
    same("and is allowed again", len(theirs.list_queues()["QueueUrls"]), 2)


for part in [saml, openid, organization]:
    part()
print(f"identity: {checks.checked} things hold")
