# SPDX-License-Identifier: MIT
# The front door. Meson and ninja do the work (tools/build); `make` leaves the binary at build/tasker.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
DB ?= sqlite
export BUILD

all: ## build the library and the binary (build/tasker)
	@tools/deps --check build
	@tools/build $(BUILD) -- --prefix=$(PREFIX)
	@echo "built $(BUILD)/tasker"

demo: ## run the example in examples/orders on 300 orders; DB=postgresql: on a PostgreSQL of its own
	@tools/deps build demo $(filter postgresql,$(DB))
	@tools/build $(BUILD) tasker -- --prefix=$(PREFIX)
	@examples/orders/demo $(BUILD) $(DB)

check: ## every test, from the floors of the source to an installed tree
	@tools/deps build demo check
	@tools/check

bench: ## measure; prints figures and ratios; DB=postgresql: on a PostgreSQL of its own
	@tools/deps build check
	@tools/build $(BUILD) -- --prefix=$(PREFIX)
	@tools/bench$(if $(filter postgresql,$(DB)),-postgres) $(BUILD)

asan: ## a build with AddressSanitizer and UBSan in build-asan
	@tools/deps --check build
	@tools/build build-asan -- -Db_sanitize=address,undefined -Db_lundef=false
	@echo "built build-asan/tasker"

install: all ## install into PREFIX, below DESTDIR
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild --quiet
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi
	@echo "installed into $(DESTDIR)$(PREFIX)"

clean: ## remove what was built
	rm -rf $(BUILD) build-*

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 12

.PHONY: all demo check bench asan install clean help
