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
	@echo "  PLUGIN_VERSION  the version of the image, for build-image"
	@echo "  IMG             the name of the image, for build-image"
	@echo
	@echo "Examples:"
	@echo "  make build PLUGIN_NAME=request-block"
	@echo "  PLUGIN_NAME=request_block make test"

build: ## Build a plug-in into dist/<plug-in>/ and plugins/<plug-in>/plugin.wasm; all without PLUGIN_NAME
	@cargo xtask build --copy-to-source $(or $(PLUGIN_NAME),--all)

build-image: ## Build a plug-in's image (not there yet)
	@echo "error: packaging is not there yet: run \`make build PLUGIN_NAME=$(or $(PLUGIN_NAME),my-plugin)\` and upload its plugin.wasm in the console" >&2
	@exit 1

test: ## Run a plug-in's tests, natively and in a real Envoy; everything without PLUGIN_NAME
	@cargo xtask test $(PLUGIN_NAME)

lint: ## Check format, lints, documentation and manifests; everything without PLUGIN_NAME
	@cargo xtask lint $(PLUGIN_NAME)
