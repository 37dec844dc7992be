#!/bin/sh
# Fails if a page of the built site links to a file that is not on it: check-site.sh FOLDER
set -eu
cd "$1"
test -s index.html
ls searchindex*.js > /dev/null
bad=$(find . -name '*.html' ! -name print.html ! -name 404.html | while read -r page; do
    grep -o 'href="[^"#?]*' "$page" | sed 's/^href="//' | sort -u | while read -r link; do
        case $link in '' | *://* | mailto:*) continue ;; esac
        test -e "$(dirname "$page")/$link" || echo "$page: $link"
    done
done)
if [ -n "$bad" ]; then
    printf 'links of the site that lead nowhere:\n%s\n' "$bad" >&2
    exit 1
fi
echo "the site is in $1: $(find . -name '*.html' | wc -l) pages"
