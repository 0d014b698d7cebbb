# Installs rnn-dist, or makes a Debian package of it. For working in the repository, launch/ has scripts.
#
#   make install PREFIX=$HOME/.local     program, manual pages, completions
#   make deb                             rnn-dist_VERSION_ARCHITECTURE.deb in .build/package

PREFIX ?= /usr/local
DESTDIR ?=

root = $(DESTDIR)$(PREFIX)
program = .build/release/rnn-dist
manual = .build/manual

.PHONY: all manual install uninstall deb

all:
	launch/build

# The generator belongs to swift-argument-parser, which `launch/build` has fetched. It separates the words of a command by dots,
# for which manual pages have hyphens (`man rnn-dist-train`), and leaves lines empty, which is no paragraph in a manual page.
# Commands to copy must not be hyphenated (.nh).
manual: all
	rm -rf $(manual)/generated $(manual)/pages
	mkdir -p $(manual)/generated $(manual)/pages
	swift run --package-path .build/checkouts/swift-argument-parser --scratch-path $(manual)/tool \
	  generate-manual $(program) --multi-page --output-directory $(manual)/generated
	for page in $(manual)/generated/*.1; do \
	  name=$$(basename $$page .1 | tr . -); \
	  sed -e 's/^\.Sh DESCRIPTION$$/&\n.nh/' -e 's/^$$/.Pp/' -e '/^\.\(Dt\|Xr\) /{s/\./-/g;s/^-/./}' $$page > $(manual)/pages/$$name.1; \
	done

install: manual
	install -D --strip --mode=755 $(program) $(root)/bin/rnn-dist
	install -D --mode=644 --target-directory=$(root)/share/man/man1 $(manual)/pages/*.1
	install -d $(root)/share/bash-completion/completions $(root)/share/zsh/site-functions \
	  $(root)/share/fish/vendor_completions.d
	$(program) --generate-completion-script bash > $(root)/share/bash-completion/completions/rnn-dist
	$(program) --generate-completion-script zsh > $(root)/share/zsh/site-functions/_rnn-dist
	$(program) --generate-completion-script fish > $(root)/share/fish/vendor_completions.d/rnn-dist.fish
	install -D --mode=644 --target-directory=$(root)/share/doc/rnn-dist README.md CHANGELOG.md LICENSE
	install -D --mode=644 --target-directory=$(root)/share/doc/rnn-dist/docs docs/*.md docs/*.svg
	install -D --mode=644 --target-directory=$(root)/share/doc/rnn-dist/docs/images docs/images/*

uninstall:
	rm -f $(root)/bin/rnn-dist $(root)/share/man/man1/rnn-dist.1 $(root)/share/man/man1/rnn-dist-*.1
	rm -f $(root)/share/bash-completion/completions/rnn-dist $(root)/share/zsh/site-functions/_rnn-dist
	rm -f $(root)/share/fish/vendor_completions.d/rnn-dist.fish
	rm -rf $(root)/share/doc/rnn-dist

deb:
	packaging/make-deb
