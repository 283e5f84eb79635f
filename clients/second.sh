#!/bin/bash
# Other people's programs for S3 — rclone, s5cmd, s3cmd — and for DynamoDB, as a person meets them, against the running cloud at
# AWS_ENDPOINT_URL. Each writes and reads the wire in its own way. Ends at the first untrue thing.
#
# Needs those three on the PATH, `python` with the packages of second.py and mapper.py, and `curl`.
set -uo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"

head -c 6000000 /dev/urandom >"$work/large"
mkdir -p "$work/tree/deep/er"
cp "$work/large" "$work/tree/large"
echo one >"$work/tree/one.txt"
: >"$work/tree/empty"
echo two >"$work/tree/deep/a b+c%.txt"
echo three >"$work/tree/deep/er/ü.txt"
# Older than their copies, also in S3's seconds.
find "$work/tree" -type f -exec touch -d 2020-01-02 {} +

# The SDK for Go, second version; what it knows of files is in metadata.
by_rclone() {
    local style
    for style in Other AWS; do
        printf '[%s]\ntype = s3\nprovider = %s\nenv_auth = true\nregion = us-east-1\nendpoint = %s\n' \
            "$style" "$style" "$AWS_ENDPOINT_URL" >>"$work/rclone.conf"
    done
    rclone() { command rclone --config "$work/rclone.conf" --retries 1 --low-level-retries 1 --s3-chunk-size 5M --s3-upload-cutoff 5M --s3-copy-cutoff 5M "$@"; }
    does "rclone mkdir" rclone mkdir Other:rclone-bucket
    does "rclone copy" rclone copy "$work/tree" Other:rclone-bucket/tree
    does "rclone check, by hashes" rclone check "$work/tree" Other:rclone-bucket/tree
    does "rclone check, by content" rclone check --download "$work/tree" Other:rclone-bucket/tree
    is "rclone sync again has nothing to do" "" rclone sync "$work/tree" Other:rclone-bucket/tree
    is "rclone hashsum of what came in parts" "$(md5sum <"$work/large" | cut -d' ' -f1)  large" \
        rclone hashsum MD5 Other:rclone-bucket/tree/large
    is "rclone lsf" "deep/
empty
large
one.txt" rclone lsf Other:rclone-bucket/tree
    does "rclone copyto, in parts" rclone copyto Other:rclone-bucket/tree/large Other:rclone-bucket/copied
    does "rclone moveto" rclone moveto Other:rclone-bucket/copied "Other:rclone-bucket/moved é+"
    is "rclone size" "Total objects: 6" bash -c 'set -o pipefail; rclone --config "$0/rclone.conf" size Other:rclone-bucket | sed -n 1p' "$work"
    is "rclone cat of the end" "$(tail -c 100 "$work/large" | md5sum)" bash -c \
        'set -o pipefail; rclone --config "$0/rclone.conf" cat --tail 100 "Other:rclone-bucket/moved é+" | md5sum' "$work"
    does "rclone rcat" bash -c 'echo piped | rclone --config "$0/rclone.conf" rcat Other:rclone-bucket/piped' "$work"
    is "what it put" piped rclone cat Other:rclone-bucket/piped
    is "rclone link" piped bash -c 'curl -sS --fail "$(rclone --config "$0/rclone.conf" link --expire 60s Other:rclone-bucket/piped)"' "$work"
    does "rclone backend versioning" rclone backend versioning Other:rclone-bucket Enabled
    echo later >"$work/later"
    does "a second version" rclone copyto "$work/later" Other:rclone-bucket/piped
    does "rclone deletefile" rclone deletefile Other:rclone-bucket/piped
    is "rclone lsf of what there was" 2 bash -c 'set -o pipefail; rclone --config "$0/rclone.conf" lsf --s3-versions Other:rclone-bucket | grep -c "^piped-v"' "$work"
    does "rclone backend cleanup-hidden" rclone backend cleanup-hidden Other:rclone-bucket
    is "they are gone" "moved é+
tree/" rclone lsf --s3-versions Other:rclone-bucket
    # To AWS it puts the bucket before the endpoint's name. Not every system finds such names, so that the cloud is its proxy too.
    is "rclone by the bucket's own host" "three" env "HTTP_PROXY=$AWS_ENDPOINT_URL" rclone --config "$work/rclone.conf" cat \
        "AWS:rclone-bucket/tree/deep/er/ü.txt"
    does "rclone purge" rclone purge Other:rclone-bucket
    refused "rclone lsf of a bucket that is not there" 3 "directory not found" rclone lsf Other:rclone-bucket
}

# The SDK for Go, first version.
by_s5cmd() {
    export S3_ENDPOINT_URL=$AWS_ENDPOINT_URL
    s5cmd() { command s5cmd --retry-count 0 "$@"; }
    does "s5cmd mb" s5cmd mb s3://s5cmd-bucket
    does "s5cmd cp of a folder, in parts" s5cmd cp --part-size 5 --metadata colour=blue "$work/tree/" s3://s5cmd-bucket/tree/
    does "s5cmd cp back" s5cmd cp 's3://s5cmd-bucket/tree/*' "$work/s5cmd/"
    does "the trees are the same" diff -r "$work/tree" "$work/s5cmd"
    is "s5cmd sync again has nothing to do" "" s5cmd sync "$work/tree/" s3://s5cmd-bucket/tree/
    is "s5cmd du" "6000014 bytes in 5 objects: s3://s5cmd-bucket/tree/*" s5cmd du 's3://s5cmd-bucket/tree/*'
    does "s5cmd mv" s5cmd mv s3://s5cmd-bucket/tree/one.txt 's3://s5cmd-bucket/moved é+.txt'
    is "s5cmd cat" one s5cmd cat 's3://s5cmd-bucket/moved é+.txt'
    does "s5cmd pipe" bash -c 'echo piped | s5cmd pipe s3://s5cmd-bucket/piped'
    is "s5cmd presign" piped bash -c 'curl -sS --fail "$(s5cmd presign --expire 1m s3://s5cmd-bucket/piped)"'
    is "s5cmd head" "6 true" bash -c 'set -o pipefail; s5cmd head s3://s5cmd-bucket/piped | python -c "
import json, sys
head = json.load(sys.stdin)
print(head[\"size\"], str(head[\"storage_class\"] == \"STANDARD\").lower())"'
    printf '{"id":1,"name":"Ann"}\n{"id":2,"name":"Bob"}\n' >"$work/people.json"
    does "s5cmd cp of a table" s5cmd cp "$work/people.json" s3://s5cmd-bucket/people.json
    is "s5cmd select" '{"name":"Bob"}' s5cmd select json --structure lines --query 'SELECT s.name FROM S3Object s WHERE s.id = 2' \
        s3://s5cmd-bucket/people.json
    does "s5cmd bucket-version" s5cmd bucket-version --set Enabled s3://s5cmd-bucket
    does "s5cmd rm" s5cmd rm s3://s5cmd-bucket/piped
    is "s5cmd ls --all-versions" 2 bash -c 'set -o pipefail; s5cmd ls --all-versions s3://s5cmd-bucket/piped | wc -l'
    does "s5cmd rm --all-versions" s5cmd rm --all-versions 's3://s5cmd-bucket/*'
    does "s5cmd rb" s5cmd rb s3://s5cmd-bucket
    refused "s5cmd ls of a bucket that is not there" 1 NoSuchBucket s5cmd ls s3://s5cmd-bucket
}

# An implementation of its own, with signatures of its own: version 2 in its URLs.
by_s3cmd() {
    local address=${AWS_ENDPOINT_URL#http://}
    printf '[default]\naccess_key = test\nsecret_key = test\nhost_base = %s\nhost_bucket = %s\nuse_https = False\n' \
        "$address" "$address" >"$work/s3cmd"
    s3cmd() { command s3cmd --config "$work/s3cmd" --no-progress --max-retries=1 "$@"; }
    does "s3cmd mb" s3cmd mb s3://s3cmd-bucket
    does "s3cmd put, in parts" s3cmd put --multipart-chunk-size-mb=5 "$work/large" s3://s3cmd-bucket/large
    does "s3cmd get" s3cmd get s3://s3cmd-bucket/large "$work/large.s3cmd"
    does "the same" cmp "$work/large" "$work/large.s3cmd"
    does "s3cmd sync up" s3cmd sync "$work/tree/deep/" s3://s3cmd-bucket/tree/
    is "s3cmd sync again has nothing to do" "" s3cmd sync "$work/tree/deep/" s3://s3cmd-bucket/tree/
    does "s3cmd sync down" s3cmd sync s3://s3cmd-bucket/tree/ "$work/s3cmd-tree/"
    does "the trees are the same" diff -r "$work/tree/deep" "$work/s3cmd-tree"
    does "s3cmd put of nothing" s3cmd put "$work/tree/empty" s3://s3cmd-bucket/tree/empty
    does "s3cmd info of a bucket" s3cmd info s3://s3cmd-bucket
    case $out in *"Versioning:none"*"Expiration rule: none"*) held "it says what nobody set" ;; *) untrue "it says what nobody set" "$out" ;; esac
    refused "s3cmd setacl, while the bucket has no ACLs" 11 AccessControlListNotSupported s3cmd setacl --acl-public s3://s3cmd-bucket/large
    does "s3cmd setownership" s3cmd setownership s3://s3cmd-bucket ObjectWriter
    does "s3cmd setblockpublicaccess" s3cmd setblockpublicaccess s3://s3cmd-bucket ""
    does "s3cmd cp, which copies the ACL too" s3cmd cp 's3://s3cmd-bucket/tree/a b+c%.txt' 's3://s3cmd-bucket/c ö+.txt'
    does "s3cmd mv" s3cmd mv 's3://s3cmd-bucket/c ö+.txt' s3://s3cmd-bucket/d.txt
    does "s3cmd setacl" s3cmd setacl --acl-public s3://s3cmd-bucket/d.txt
    is "everybody reads it" two curl -sS --fail "$AWS_ENDPOINT_URL/s3cmd-bucket/d.txt"
    does "s3cmd setacl back" s3cmd setacl --acl-private s3://s3cmd-bucket/d.txt
    refused "nobody else does" 22 "403" curl -sS --fail "$AWS_ENDPOINT_URL/s3cmd-bucket/d.txt"
    is "s3cmd signurl, by version 2" two bash -c 'curl -sS --fail "$(s3cmd --config "$0" signurl s3://s3cmd-bucket/d.txt +60)"' "$work/s3cmd"
    does "s3cmd modify" s3cmd modify --add-header=x-amz-meta-colour:blue s3://s3cmd-bucket/d.txt
    does "s3cmd info of an object" s3cmd info s3://s3cmd-bucket/d.txt
    case $out in *"x-amz-meta-colour: blue"*) held "it has what was added" ;; *) untrue "it has what was added" "$out" ;; esac
    does "s3cmd ws-create" s3cmd ws-create s3://s3cmd-bucket
    does "s3cmd ws-info" s3cmd ws-info s3://s3cmd-bucket
    case $out in *"Index document:   index.html"*) held "its website" ;; *) untrue "its website" "$out" ;; esac
    does "s3cmd expire" s3cmd expire --expiry-days=5 --expiry-prefix=old/ s3://s3cmd-bucket
    does "s3cmd getlifecycle" s3cmd getlifecycle s3://s3cmd-bucket
    case $out in *"<LifecycleConfiguration "*"<Days>5</Days>"*) held "it is a LifecycleConfiguration" ;; *) untrue "it is a LifecycleConfiguration" "$out" ;; esac
    printf '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::s3cmd-bucket/secret"}]}' >"$work/policy"
    does "s3cmd setpolicy" s3cmd setpolicy "$work/policy" s3://s3cmd-bucket
    does "s3cmd delpolicy" s3cmd delpolicy s3://s3cmd-bucket
    does "s3cmd accesslog" s3cmd accesslog --no-access-logging s3://s3cmd-bucket
    does "s3cmd payer" s3cmd payer --requester-pays s3://s3cmd-bucket
    does "s3cmd settagging" s3cmd settagging s3://s3cmd-bucket/d.txt 'a=1&b=x y'
    does "s3cmd del" s3cmd del --recursive --force s3://s3cmd-bucket/tree
    does "s3cmd rb --recursive" s3cmd rb --recursive --force s3://s3cmd-bucket
    refused "s3cmd ls of a bucket that is not there" 12 NoSuchBucket s3cmd ls s3://s3cmd-bucket
}

by_python() { python "$(dirname "${BASH_SOURCE[0]}")/second.py" || exit 1; }
by_mapper() { python "$(dirname "${BASH_SOURCE[0]}")/mapper.py" || exit 1; }

# All programs, or those that are named.
[ $# -gt 0 ] || set -- by_rclone by_s5cmd by_s3cmd by_python by_mapper
for program in "$@"; do
    $program
done
echo "rclone, s5cmd and s3cmd: $checked things hold"
