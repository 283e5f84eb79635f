# What the suites in bash are made of: a folder of their own, and checks of which the first that fails ends them.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
checked=0

held() { checked=$((checked + 1)); echo "  holds: $1"; }

untrue() { echo "UNTRUE: $1"; shift; printf '  %s\n' "$@"; exit 1; }

# does WHAT COMMAND…: the command succeeds. What it prints is in $out.
does() {
    local what=$1; shift
    out=$("$@" 2>&1) || untrue "$what" "$* ended with $?" "$out"
    held "$what"
}

# is WHAT WANTED COMMAND…: the command succeeds and prints just this.
is() {
    local what=$1 wanted=$2; shift 2
    out=$("$@" 2>"$work/stderr") || untrue "$what" "$* ended with $?" "$out" "$(cat "$work/stderr")"
    [ "$out" = "$wanted" ] || untrue "$what" "$*" "wanted: $wanted" "is:     $out"
    held "$what"
}

# refused WHAT STATUS TEXT COMMAND…: the command ends with this status and says this.
refused() {
    local what=$1 wanted=$2 text=$3; shift 3
    out=$("$@" 2>&1)
    local status=$?
    [ "$status" = "$wanted" ] || untrue "$what" "$*" "wanted status $wanted, it is $status" "$out"
    case $out in *"$text"*) ;; *) untrue "$what" "$*" "wanted: $text" "is:     $out" ;; esac
    held "$what"
}
