# Everything a person or CI does here, one word each. `make` alone prints the words.

CARGO ?= cargo
CARGO_DENY_VERSION := 0.20.2
# The version is part of the path, so that a new one is built when it changes.
CARGO_DENY_ROOT := $(CURDIR)/.cache/tools/cargo-deny-$(CARGO_DENY_VERSION)
CARGO_DENY := $(CARGO_DENY_ROOT)/bin/cargo-deny
CARGO_MUTANTS_VERSION := 27.1.0
CARGO_MUTANTS_ROOT := $(CURDIR)/.cache/tools/cargo-mutants-$(CARGO_MUTANTS_VERSION)
CARGO_MUTANTS := $(CARGO_MUTANTS_ROOT)/bin/cargo-mutants
MDBOOK_VERSION := 0.5.4
MDBOOK_ROOT := $(CURDIR)/.cache/tools/mdbook-$(MDBOOK_VERSION)
MDBOOK := $(MDBOOK_ROOT)/bin/mdbook
CARGO_AUDITABLE_VERSION := 0.7.7
CARGO_CYCLONEDX_VERSION := 0.5.9
IMAGE_TOOLS_ROOT := $(CURDIR)/.cache/tools/image-$(CARGO_AUDITABLE_VERSION)-$(CARGO_CYCLONEDX_VERSION)
IMAGE_TOOLS := $(IMAGE_TOOLS_ROOT)/bin/cargo-auditable $(IMAGE_TOOLS_ROOT)/bin/cargo-cyclonedx
OPERATOR := $(CARGO) run --locked --quiet -p external-webhooks --bin external-webhooks --

# What the demo runs: one build for all, so that no crate is built twice with other features.
BENCH := $$($(CARGO) metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/bench
DEMO := $$($(CARGO) metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/demo

.DEFAULT_GOAL := help
.PHONY: help demo bench build test faults model mutants control-plane fmt fmt-check lint deny deny-tool advisories crds crds-check reference reference-check docs site release-check generated generated-check image image-test image-tools image-target chart-docs previous upgrade-test clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## show it working, against a real API server and a simulated provider (SCENE=crash|adopt|monitor|rotation|providers: another scene; KEEP=1: leave it running; KUBECONFIG=...: on that cluster, from the chart)
	$(CARGO) build --locked --workspace --bins
	@# Only where it is said here: a KUBECONFIG of the environment is for other things.
	@DEMO_KUBECONFIG='$(if $(filter command,$(origin KUBECONFIG)),$(KUBECONFIG))' exec "$(DEMO)"

bench: control-plane ## measure the released operator, some 25 minutes; writes docs/performance.md (ONLY=converge N=1000: one part, one case)
	$(CARGO) build --locked --release -p external-webhooks --bin external-webhooks
	$(CARGO) build --locked --release -p testbed --bin bench
	@ONLY='$(ONLY)' N='$(N)' exec "$(BENCH)"

build: ## build the operator for release
	$(CARGO) build --locked --release -p external-webhooks

test: control-plane ## run every test, against a real API server
	$(CARGO) test --workspace --locked

upgrade-test: control-plane ## from the operator before the last change of the definitions to this one and back (builds that one too)
	tests/integration/chart/previous.sh '$(CURDIR)/.cache/previous/external-webhooks'
	PREVIOUS_OPERATOR='$(CURDIR)/.cache/previous/external-webhooks' \
		$(CARGO) test --locked -p external-webhooks --test integration -- --nocapture chart::upgrade

previous: ## write anew where the upgrade test starts from: what there was before the last change of the definitions
	tests/integration/chart/previous.sh

image: image-tools ## build the container image without a daemon, into target/image (ARCHS="amd64 arm64", NAME=registry/repository:tag)
	PATH="$(IMAGE_TOOLS_ROOT)/bin:$$PATH" CARGO='$(CARGO)' tests/testbed/image.sh

image-test: image control-plane ## run the image's own file system, read-only and as its user, against a real API server
	IMAGE="$$(ls -t '$(CURDIR)'/target/image/*.oci.tar | head -1)" \
		$(CARGO) test --locked -p external-webhooks --test integration -- --ignored image::

image-target: ## add the static target of this machine to the toolchain
	@triple=$$(uname -m)-unknown-linux-musl; \
		test -d "$$(rustc --print target-libdir --target "$$triple")" || rustup target add "$$triple"

image-tools: $(IMAGE_TOOLS) ## install cargo-auditable and cargo-cyclonedx into .cache (minutes, once)

$(IMAGE_TOOLS_ROOT)/bin/cargo-%:
	CARGO_TARGET_DIR=$(IMAGE_TOOLS_ROOT)/target \
		$(CARGO) install cargo-$* --locked --version $(if $(filter auditable,$*),$(CARGO_AUDITABLE_VERSION),$(CARGO_CYCLONEDX_VERSION)) --root $(IMAGE_TOOLS_ROOT)

release-check: site upgrade-test image-test ## what a release needs besides CI: site, upgrade from the former operator, image run and built for both architectures (needs a C compiler for the other one)
	$(MAKE) image ARCHS='amd64 arm64'

faults: control-plane ## the bench of faults, up to an hour; writes docs/reliability.md (PLANS=1200: so many, PLAN=...: one alone)
	FAULTS_PAGE='$(CURDIR)/docs/reliability.md' PLAN='$(PLAN)' FAULTS_PLANS='$(or $(PLANS),3000)' \
		$(CARGO) test --locked -p external-webhooks --test integration -- --ignored --nocapture --exact fault_bench::bench::all providers::bench::every_plan_of_the_table

model: ## search every order of events around the endpoint's plan, up to 20 minutes; writes docs/model.md (ONLY=rotation: one search)
	MODEL_PAGE='$(CURDIR)/docs/model.md' ONLY='$(ONLY)' $(CARGO) run --locked --quiet -p model

mutants: $(CARGO_MUTANTS) ## change the plans and the mirror in every small way and see whether a test notices (hours; FILE=src/...: one file)
	PROPTEST_CASES=200 RUSTFLAGS='--cfg only_plans' $(CARGO_MUTANTS) mutants --package external-webhooks --jobs 2 --output target $(if $(FILE),--re '^$(FILE)')

$(CARGO_MUTANTS):
	CARGO_TARGET_DIR=$(CARGO_MUTANTS_ROOT)/target \
		$(CARGO) install cargo-mutants --locked --version $(CARGO_MUTANTS_VERSION) --root $(CARGO_MUTANTS_ROOT)
	rm -rf $(CARGO_MUTANTS_ROOT)/target

control-plane: ## build etcd, Kubernetes, helm, kube-score and kubeconform for the tests (slow once, then cached)
	$(CARGO) run --locked -p testbed --bin control-plane -- build

fmt: ## format the code
	$(CARGO) fmt --all

fmt-check: ## fail if the code is not formatted
	$(CARGO) fmt --all --check

lint: ## run clippy with warnings as errors
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

deny: deny-tool ## check licences, sources and banned crates (no advisories)
	$(CARGO) fetch --locked
	$(CARGO_DENY) --offline --locked check bans licenses sources

advisories: deny-tool ## check dependencies against the RustSec database (needs github.com)
	$(CARGO_DENY) --locked check advisories

deny-tool: $(CARGO_DENY) ## install cargo-deny into .cache (minutes, once)

$(CARGO_DENY):
	CARGO_TARGET_DIR=$(CARGO_DENY_ROOT)/target \
		$(CARGO) install cargo-deny --locked --version $(CARGO_DENY_VERSION) --root $(CARGO_DENY_ROOT)
	rm -rf $(CARGO_DENY_ROOT)/target

crds: ## write crds/*.yaml, and the chart's copy, from the types in src/api
	$(CARGO) build --locked -p external-webhooks
	rm -f crds/*.yaml charts/external-webhooks/files/crds/*.yaml
	$(OPERATOR) crds --dir crds
	@# helm takes nothing from outside of a chart
	cp crds/*.yaml charts/external-webhooks/files/crds/

crds-check: ## fail if crds/ is not what `make crds` writes
	$(CARGO) build --locked -p external-webhooks
	@mkdir -p crds; fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(OPERATOR) crds --dir "$$fresh" \
		&& diff -ru crds "$$fresh" || { echo 'crds/ is out of date: run make crds and commit'; exit 1; }

generated: control-plane ## write what the table of conditions makes: docs/conditions.md, alerts, dashboard, health checks
	UPDATE_GENERATED=1 $(CARGO) test --locked -q -p external-webhooks --test integration health_checks
	UPDATE_GENERATED=1 $(CARGO) test --locked -q -p external-webhooks --test generated as_made

generated-check: ## fail if that is not what `make generated` writes
	$(CARGO) test --locked -q -p external-webhooks --test generated as_made

reference: ## write docs/reference.md from crds/*.yaml
	$(CARGO) run --locked --quiet -p testbed --bin reference -- crds docs/reference.md

reference-check: ## fail if docs/reference.md is not what `make reference` writes
	@fresh=$$(mktemp) && trap 'rm -f "$$fresh"' EXIT && $(CARGO) run --locked --quiet -p testbed --bin reference -- crds "$$fresh" \
		&& diff -u docs/reference.md "$$fresh" || { echo 'docs/reference.md is out of date: run make reference and commit'; exit 1; }

site: $(MDBOOK) ## build the pages as a searchable site in target/site/html
	@sh docs/site.sh $(MDBOOK)

$(MDBOOK):
	CARGO_TARGET_DIR=$(MDBOOK_ROOT)/target $(CARGO) install mdbook --locked --version $(MDBOOK_VERSION) --root $(MDBOOK_ROOT)
	rm -rf $(MDBOOK_ROOT)/target

chart-docs: ## write the table of values in the chart's README
	UPDATE_CHART_DOCS=1 $(CARGO) test --locked -p external-webhooks --test integration -- chart::values::the_readme

docs: ## build the code documentation with warnings as errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

clean: ## remove build products; downloads and built tools in .cache stay
	$(CARGO) clean
