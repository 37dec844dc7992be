#!/usr/bin/env bash
# Builds the container image without a daemon: static binaries that carry their list of crates (cargo auditable), the archive, and a
# list of parts (SBOM). ARCHS="amd64 arm64" builds both; another architecture than this machine's needs a C compiler for it (ring),
# such as the packages gcc-aarch64-linux-gnu and libc6-dev-arm64-cross.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cargo=${CARGO:-cargo}
out=${OUT:-target/image}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
name=${NAME:-external-webhooks:$version}
host=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
mkdir -p "$out"

target_dir=$("$cargo" metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
# Messages of panics name source files: by their place in the sources, not on this machine.
home=${CARGO_HOME:-$HOME/.cargo}
export RUSTFLAGS="--remap-path-prefix=$home/registry/src=crates --remap-path-prefix=$PWD=external-webhooks"
# Times in the image and in the list of parts: those of the commit.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
revision=$(git rev-parse HEAD 2>/dev/null || true)

binaries=()
for arch in ${ARCHS:-$host}; do
    case $arch in
    amd64) triple=x86_64-unknown-linux-musl compiler=x86_64-linux-gnu-gcc ;;
    arm64) triple=aarch64-unknown-linux-musl compiler=aarch64-linux-gnu-gcc ;;
    *) echo "unknown architecture $arch: amd64 or arm64" >&2 && exit 2 ;;
    esac
    libs=$(rustc --print target-libdir --target "$triple")
    if [[ ! -d $libs ]]; then
        rustup target add "$triple"
    fi
    # ring is C and assembler without a C library, so the compiler of the GNU system will do where there is none for musl.
    variable=CC_${triple//-/_}
    if [[ -z ${!variable:-} ]]; then
        [[ $arch == "$host" ]] && compiler=cc
        export "$variable=$compiler"
    fi
    if [[ $arch != "$host" ]]; then
        # Rust brings its own linker and musl's start files.
        linker=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$triple")_LINKER
        export "$linker=${!linker:-rust-lld}"
    fi
    "$cargo" auditable build --release --locked --target "$triple" -p external-webhooks --bin external-webhooks
    binaries+=(--binary "$arch=$target_dir/$triple/release/external-webhooks")
    # It writes beside every crate of the workspace; only the operator's is wanted.
    "$cargo" cyclonedx --quiet --format json --target "$triple" --override-filename image-parts
    # Our own crate is named by its place; where that is on this machine is nobody's affair.
    sed "s#file://$PWD#file:///external-webhooks#g" image-parts.json >"$out/external-webhooks-$version-$arch.cdx.json"
    rm image-parts.json
    find tests -name image-parts.json -delete
done
unset RUSTFLAGS
archive=$out/external-webhooks-$version.oci.tar
"$cargo" run --locked --quiet -p testbed --bin image -- "${binaries[@]}" --name "$name" --version "$version" \
    ${revision:+--revision "$revision"} "$archive"
ls -l "$out" | sed 1d
echo "load it with: docker load < $archive   (or podman, or skopeo copy oci-archive:$archive docker://...)"
