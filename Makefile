# The documented targets, one line each over `cargo xtask`, which has more: `cargo xtask --help`.

# The plug-in, in any spelling: my-plugin, my_plugin.
PLUGIN_NAME ?=
# The image's tag, and the whole image's name, for build-image.
PLUGIN_VERSION ?=
IMG ?=

.DEFAULT_GOAL := help
.PHONY: help build build-image test lint

help: ## Print this help
	@echo "Usage: make <target> PLUGIN_NAME=<plug-in>"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "Variables:"
	@echo "  PLUGIN_NAME     the plug-in, in any spelling: my-plugin, my_plugin"
	@echo "  PLUGIN_VERSION  the tag of the image, for build-image: its own version without"
	@echo "  IMG             the whole name of the image, for build-image: <plug-in>:<tag> without"
	@echo
	@echo "Examples:"
	@echo "  make build PLUGIN_NAME=request-block"
	@echo "  make build-image PLUGIN_NAME=request-block PLUGIN_VERSION=1.0.0"
	@echo "  PLUGIN_NAME=request_block make test"

build: ## Build a plug-in into dist/<plug-in>/ and plugins/<plug-in>/plugin.wasm; all without PLUGIN_NAME
	@cargo xtask build --copy-to-source $(or $(PLUGIN_NAME),--all)

build-image: ## Build a plug-in's image for `docker load` into dist/<plug-in>/image.tar, without Docker; all without PLUGIN_NAME
	@cargo xtask package --shape plain $(or $(PLUGIN_NAME),--all) $(if $(PLUGIN_VERSION),--tag $(PLUGIN_VERSION)) $(if $(IMG),--image $(IMG))

test: ## Run a plug-in's tests, natively and in a real Envoy; everything without PLUGIN_NAME
	@cargo xtask test $(PLUGIN_NAME)

lint: ## Check format, lints, documentation and manifests; everything without PLUGIN_NAME
	@cargo xtask lint $(PLUGIN_NAME)
