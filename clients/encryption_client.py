"""What encrypts before it sends, against the running cloud at AWS_ENDPOINT_URL: the AWS Encryption SDK with each kind of key that
KMS wraps its data keys by, and the S3 encryption client. Ends at the first untrue thing."""

import contextlib
import io
import logging
import os

import aws_encryption_sdk
import boto3
import botocore.session
from aws_cryptographic_material_providers.keystore import KeyStore
from aws_cryptographic_material_providers.keystore.config import KeyStoreConfig
from aws_cryptographic_material_providers.keystore.models import (
    CreateKeyInput, CreateKeyStoreInput, KMSConfigurationKmsKeyArn, VersionKeyInput)
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    CreateAwsKmsDiscoveryKeyringInput, CreateAwsKmsEcdhKeyringInput, CreateAwsKmsHierarchicalKeyringInput, CreateAwsKmsKeyringInput,
    CreateAwsKmsMrkKeyringInput, CreateAwsKmsRsaKeyringInput, CreateMultiKeyringInput, DiscoveryFilter, KmsPrivateKeyToStaticPublicKeyInput,
    KmsEcdhStaticConfigurationsKmsPrivateKeyToStaticPublicKey)
from aws_encryption_sdk import CachingCryptoMaterialsManager, CommitmentPolicy, LocalCryptoMaterialsCache, StrictAwsKmsMasterKeyProvider
from aws_encryption_sdk.identifiers import AlgorithmSuite
from botocore.config import Config
from cryptography.hazmat.primitives import serialization
from s3_encryption import S3EncryptionClient, S3EncryptionClientConfig
from s3_encryption.materials.kms_keyring import KmsKeyring

import checks
from checks import same

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ME = "000000000000"
TEXT = bytes(range(256)) * 40
CONTEXT = {"purpose": "test", "größe": "10 240"}


def client(name, region="us-east-1"):
    return boto3.client(
        name,
        endpoint_url=ENDPOINT,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


# It logs whatever is refused.
logging.getLogger("aws_encryption_sdk").setLevel(logging.CRITICAL + 1)

kms, west = client("kms"), client("kms", "eu-west-1")
sdk = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
providers = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())


def key(of=kms, **how):
    return of.create_key(**how)["KeyMetadata"]["Arn"]


@contextlib.contextmanager
def refused(what, text=""):
    """What is done inside is refused, with this text somewhere in what is said."""
    try:
        yield
    except Exception as error:
        chain, said = error, []
        while chain is not None:
            said.append(f"{chain!r} {getattr(chain, 'list', '')}")
            chain = chain.__cause__ or chain.__context__
        same(f"{what} is refused", (text in " ".join(said)) or " ".join(said), True)
    else:
        same(what, "done", "refused")


def keyring(arn, of=kms):
    return providers.create_aws_kms_keyring(CreateAwsKmsKeyringInput(kms_key_id=arn, kms_client=of))


def round_trip(what, there, back=None, **more):
    """A text that one keyring hides, and another finds."""
    hidden, header = sdk.encrypt(source=TEXT, keyring=there, encryption_context=CONTEXT, **more)
    same(f"{what}: hidden", TEXT[:64] in hidden, False)
    found, header = sdk.decrypt(source=hidden, keyring=back or there, encryption_context=CONTEXT)
    same(f"{what}: found", (found, {name: header.encryption_context.get(name) for name in CONTEXT}), (TEXT, CONTEXT))
    return hidden


def symmetric():
    first, second = key(), key()
    hidden = round_trip("a keyring", keyring(first))
    for suite in [AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY, AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384]:
        round_trip(suite.name, keyring(first), algorithm=suite)
    own = DiscoveryFilter(account_ids=[ME], partition="aws")
    discovery = providers.create_aws_kms_discovery_keyring(CreateAwsKmsDiscoveryKeyringInput(kms_client=kms, discovery_filter=own))
    same("any key of the account", sdk.decrypt(source=hidden, keyring=discovery)[0], TEXT)
    with refused("another key"):
        sdk.decrypt(source=hidden, keyring=keyring(second))
    with refused("another context"):
        sdk.decrypt(source=hidden, keyring=keyring(first), encryption_context={"purpose": "other"})
    # The wrapped key is in the first of its bytes, what it hides in the last.
    for at in [0, 60, 300, 400, len(hidden) // 2, len(hidden) - 1]:
        changed = bytearray(hidden)
        changed[at] ^= 1
        with refused(f"a changed byte at {at - len(hidden) if at > 1000 else at}"):
            sdk.decrypt(source=bytes(changed), keyring=keyring(first))
    both = providers.create_multi_keyring(CreateMultiKeyringInput(generator=keyring(first), child_keyrings=[keyring(second)]))
    hidden = round_trip("two keys", both, keyring(second))
    kms.disable_key(KeyId=first)
    same("one of two keys is enough", sdk.decrypt(source=hidden, keyring=both)[0], TEXT)
    kms.disable_key(KeyId=second)
    with refused("a disabled key", "is disabled"):
        sdk.decrypt(source=hidden, keyring=keyring(second))


def master_keys():
    arn = key()
    calls, session = [], botocore.session.Session()
    session.register("before-call.kms", lambda model, **_: calls.append(model.name))
    provider = StrictAwsKmsMasterKeyProvider(key_ids=[arn], botocore_session=session)
    cache = CachingCryptoMaterialsManager(
        master_key_provider=provider, cache=LocalCryptoMaterialsCache(10), max_age=60.0, max_messages_encrypted=10)
    hidden = [sdk.encrypt(source=TEXT, materials_manager=cache, encryption_context=CONTEXT)[0] for _ in range(3)]
    same("a cache asks once", calls, ["GenerateDataKey"])
    found = [sdk.decrypt(source=one, materials_manager=cache)[0] for one in hidden]
    same("and once more", (found, calls), ([TEXT] * 3, ["GenerateDataKey", "Decrypt"]))
    out = io.BytesIO()
    with sdk.stream(mode="e", source=io.BytesIO(TEXT * 30), key_provider=provider, frame_length=1024) as stream:
        for part in stream:
            out.write(part)
    with sdk.stream(mode="d", source=io.BytesIO(out.getvalue()), key_provider=provider) as stream:
        same("a stream", b"".join(stream), TEXT * 30)


def regions():
    arn = key(MultiRegion=True)
    kms.replicate_key(KeyId=arn, ReplicaRegion="eu-west-1")
    there = arn.replace("us-east-1", "eu-west-1")
    make = lambda arn, of: providers.create_aws_kms_mrk_keyring(CreateAwsKmsMrkKeyringInput(kms_key_id=arn, kms_client=of))
    round_trip("a key of many regions", make(arn, kms), make(there, west))


def asymmetric():
    arn = key(KeySpec="RSA_3072", KeyUsage="ENCRYPT_DECRYPT")
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"])
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for algorithm in ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]:
        pair = providers.create_aws_kms_rsa_keyring(CreateAwsKmsRsaKeyringInput(
            kms_key_id=arn, encryption_algorithm=algorithm, public_key=pem, kms_client=kms))
        round_trip(algorithm, pair, algorithm=AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY)
    for curve in ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"]:
        sender, receiver = (key(KeySpec=curve, KeyUsage="KEY_AGREEMENT") for _ in range(2))
        keys = {arn: kms.get_public_key(KeyId=arn)["PublicKey"] for arn in (sender, receiver)}

        def agreeing(mine, others):
            scheme = KmsEcdhStaticConfigurationsKmsPrivateKeyToStaticPublicKey(KmsPrivateKeyToStaticPublicKeyInput(
                sender_kms_identifier=mine, sender_public_key=keys[mine], recipient_public_key=keys[others]))
            return providers.create_aws_kms_ecdh_keyring(CreateAwsKmsEcdhKeyringInput(
                key_agreement_scheme=scheme, curve_spec=curve, kms_client=kms))

        round_trip(f"a secret agreed on, {curve}", agreeing(sender, receiver), agreeing(receiver, sender))


def hierarchical():
    arn = key()
    store = KeyStore(config=KeyStoreConfig(
        ddb_table_name="branch-keys", logical_key_store_name="branches", kms_configuration=KMSConfigurationKmsKeyArn(arn),
        ddb_client=client("dynamodb"), kms_client=kms))
    store.create_key_store(CreateKeyStoreInput())
    client("dynamodb").get_waiter("table_exists").wait(TableName="branch-keys", WaiterConfig={"Delay": 1})
    branch = store.create_key(CreateKeyInput()).branch_key_identifier
    make = lambda: providers.create_aws_kms_hierarchical_keyring(CreateAwsKmsHierarchicalKeyringInput(
        key_store=store, branch_key_id=branch, ttl_seconds=600))
    hidden = round_trip("a branch key", make())
    store.version_key(VersionKeyInput(branch_key_identifier=branch))
    round_trip("its next version", make())
    same("and the one before", sdk.decrypt(source=hidden, keyring=make())[0], TEXT)
    with refused("a branch that is not there"):
        other = providers.create_aws_kms_hierarchical_keyring(CreateAwsKmsHierarchicalKeyringInput(
            key_store=store, branch_key_id="none", ttl_seconds=600))
        sdk.encrypt(source=TEXT, keyring=other)


def objects():
    arn, plain, context = key(), client("s3"), {"purpose": "test"}
    kms.create_alias(AliasName="alias/objects", TargetKeyId=arn)
    plain.create_bucket(Bucket="hidden")
    make = lambda id: S3EncryptionClient(client("s3"), S3EncryptionClientConfig(keyring=KmsKeyring(kms, id)))
    hiding = make(arn)
    hiding.put_object(Bucket="hidden", Key="a", Body=TEXT)
    there = plain.get_object(Bucket="hidden", Key="a")
    same("an object is hidden", TEXT[:64] in there["Body"].read(), False)
    same("and found", hiding.get_object(Bucket="hidden", Key="a")["Body"].read(), TEXT)
    make("alias/objects").put_object(Bucket="hidden", Key="b", Body=TEXT, EncryptionContext=context)
    found = hiding.get_object(Bucket="hidden", Key="b", EncryptionContext=context)
    same("an object with a context", found["Body"].read(), TEXT)
    with refused("another context of an object"):
        hiding.get_object(Bucket="hidden", Key="b", EncryptionContext={"purpose": "other"})["Body"].read()
    large = os.urandom(12 * 1024 * 1024 + 17)
    hiding.upload_fileobj(io.BytesIO(large), "hidden", "c")
    parts = plain.head_object(Bucket="hidden", Key="c", PartNumber=1)["PartsCount"]
    same("an object of parts", (hiding.get_object(Bucket="hidden", Key="c")["Body"].read() == large, parts > 1), (True, True))
    changed = bytearray(plain.get_object(Bucket="hidden", Key="a")["Body"].read())
    changed[100] ^= 1
    plain.put_object(Bucket="hidden", Key="a", Body=bytes(changed), Metadata=there["Metadata"])
    with refused("a changed object"):
        hiding.get_object(Bucket="hidden", Key="a")["Body"].read()
    kms.disable_key(KeyId=arn)
    with refused("an object whose key is disabled", "is disabled"):
        hiding.get_object(Bucket="hidden", Key="c")["Body"].read()


for part in [symmetric, master_keys, regions, asymmetric, hierarchical, objects]:
    part()
print(f"encryption: {checks.checked} things hold")
