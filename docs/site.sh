#!/bin/sh
# Builds the site in target/site/html and fails if one of its links leads nowhere: site.sh MDBOOK
#
# mdBook wants all pages in one folder. They are copied with the folders in their places, so that links work on the site as they
# do in the repository.
set -eu
mdbook=$1
cd "$(dirname "$0")/.."
rm -rf target/site
mkdir -p target/site/src
cp -R docs examples deploy charts crds README.md CONTRIBUTING.md SECURITY.md CHANGELOG.md LICENSE target/site/src
mv target/site/src/docs/book.toml target/site/
rm target/site/src/docs/site.sh

# Paths of the summary begin at docs/, those of mdBook at the root. Runbooks are listed by their first lines, below Operations.
while IFS= read -r line; do
    case $line in *'](../'*) line=$(printf '%s' "$line" | sed 's#](\.\./#](#') ;; *) line=$(printf '%s' "$line" | sed 's#](#](docs/#') ;; esac
    page=$(printf '%s' "$line" | sed -n 's/.*](\(.*\))$/\1/p')
    # A page that is to come is left out; tests/house knows which these are.
    if [ -z "$page" ] || [ -e "$page" ]; then printf '%s\n' "$line"; fi
    if [ "$page" = docs/operations.md ]; then
        for runbook in docs/runbooks/*.md; do
            if [ -e "$runbook" ]; then printf '  - [%s](%s)\n' "$(sed -n 's/^# //p' "$runbook" | head -1)" "$runbook"; fi
        done
    fi
done < docs/SUMMARY.md > target/site/src/SUMMARY.md
rm target/site/src/docs/SUMMARY.md

# mdBook calls README.md index.html, and does not follow its own renaming in links.
find target/site/src -name '*.md' ! -name SUMMARY.md | while read -r page; do
    sed 's#README\.md\([)\#]\)#index.md\1#g' "$page" > target/site/page && cp target/site/page "$page"
done

"$mdbook" build target/site
cd target/site/html
test -s index.html
ls searchindex*.js > /dev/null
bad=$(find . -name '*.html' ! -name print.html ! -name 404.html | while read -r page; do
    grep -o 'href="[^"#?]*' "$page" | sed 's/^href="//' | sort -u | while read -r link; do
        case $link in '' | *://* | mailto:*) continue ;; esac
        test -e "$(dirname "$page")/$link" || printf '%s: %s\n' "$page" "$link"
    done
done)
if [ -n "$bad" ]; then
    printf 'links of the site that lead nowhere:\n%s\n' "$bad" >&2
    exit 1
fi
printf 'target/site/html: %s pages\n' "$(find . -name '*.html' | wc -l)"
