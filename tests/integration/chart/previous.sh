#!/usr/bin/env bash
# Writes tests/integration/chart/previous/: what a user had before the last change of the definitions, as git has it. The upgrade
# test starts from there. `previous.sh FILE` also builds that commit's operator, and puts it there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../.."

# With a file asked for, what is committed decides; without, it is found anew.
if [[ $# -eq 1 ]]; then
    commit=$(cat "$here/previous/COMMIT")
    git cat-file -e "$commit^{commit}" || { echo "commit $commit is not in this clone: git fetch --unshallow"; exit 1; }
    tree=$(mktemp -d)
    trap 'git worktree remove --force "$tree" 2>/dev/null; rm -rf "$tree"' EXIT
    git worktree add --quiet --detach "$tree" "$commit"
    target=$(${CARGO:-cargo} metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    # The same folder, so that crates that have not changed are not built again; our own binary is put back by the next build.
    ${CARGO:-cargo} build --locked --manifest-path "$tree/Cargo.toml" --target-dir "$target" -p external-webhooks
    mkdir -p "$(dirname "$1")"
    cp "$target/debug/external-webhooks" "$1"
    exit
fi

for commit in $(git log --format=%H -- crds); do
    git diff --quiet "$commit" -- crds && continue
    rm -rf "$here/previous"
    mkdir -p "$here/previous"
    paths=(crds charts/external-webhooks)
    git archive "$commit" "${paths[@]}" | tar -x -C "$here/previous"
    mv "$here/previous/charts/external-webhooks" "$here/previous/chart"
    rmdir "$here/previous/charts"
    echo "$commit" >"$here/previous/COMMIT"
    git show -s --format='written: %h, %ad, %s' --date=short "$commit"
    exit
done
echo 'the definitions have never changed'
exit 1
