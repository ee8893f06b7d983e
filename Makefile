# What is done with goswan. `make` lists it.

GO ?= go

# The lab and its end-to-end tests are run by the target lab; every other test needs nothing but Go.
LAB := ./cmd/goswan/lab
PACKAGES = $(shell $(GO) list ./... | grep -v '/cmd/goswan/lab$$')

# What the lab runs, as Debian packages it, and the browser that the pages of goswan bench are shown to.
LAB_PACKAGES := charon-systemd strongswan-swanctl strongswan-pki libcharon-extra-plugins libstrongswan-standard-plugins \
	libstrongswan-extra-plugins libcharon-extauth-plugins chromium dbus-daemon ethtool iproute2 iputils-ping nftables openssl tcpdump tshark freeradius hostapd eapoltest

# Tests beside the code that have a foreign program at the other end; where there is none they are skipped.
FOREIGN := ./ike/radius

PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64 freebsd/amd64 freebsd/arm64

# How long each fuzz target runs.
FUZZTIME ?= 5s

# How long the soak loads the tunnel.
SOAK ?= 10m

# Flags of `goswan bench tunnel`: --rounds N, --seconds N, --only NAMES, --json FILE; --help explains them.
BENCHFLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo build test unit race lab soak bench-tunnel tools check format vet staticcheck arrows cross $(PLATFORMS) fuzz clean

help:
	@echo 'make demo    two endpoints in one process, without root: a tunnel, a page through it, rekeys, the ladder'
	@echo 'make build   the static binary ./goswan'
	@echo 'make test    all tests: unit, with the race detector, and the lab (which needs root and Debian)'
	@echo 'make lab     the lab alone: goswan and strongSwan in network namespaces'
	@echo 'make soak    as root: a tunnel between two goswans at full load, rekeyed every 5 s, for SOAK=$(SOAK)'
	@echo 'make bench-tunnel  as root: goswan, wireguard-go and strongSwan compared, in 20 minutes; a part of it:'
	@echo '             BENCHFLAGS="--rounds 1 --seconds 1 --only goswan,wireguard-go"; BENCHFLAGS=--help tells more'
	@echo 'make check   format, vet, staticcheck, race detector, import picture; quiet when all is well'
	@echo 'make cross   builds for Linux, macOS, Windows and FreeBSD into dist/'
	@echo 'make fuzz    every fuzz target for FUZZTIME=$(FUZZTIME)'
	@echo 'make tools   installs what the lab runs, and a browser for the tests of pages, as root on Debian'
	@echo 'make clean   removes what was built'

demo:
	@$(GO) run ./cmd/goswan demo

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o goswan ./cmd/goswan

test: unit race lab

# The tests of allocations and of builds without cgo are these: the race detector changes both.
unit:
	@CGO_ENABLED=0 $(GO) test $(PACKAGES)

# Prints only failures. The race detector needs a C compiler; in CI its absence is a failure.
race:
	@if [ "$$(CGO_ENABLED=1 $(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null; then \
		out=$$(CGO_ENABLED=1 $(GO) test -race $(PACKAGES) 2>&1) || { printf '%s\n' "$$out"; exit 1; }; \
	else \
		echo "race: SKIPPED: all tests with the race detector: there is no C compiler"; [ "$$CI" != true ]; \
	fi

# What the environment says about the lab is explained by `go doc ./cmd/goswan/lab`.
lab: tools
	@GOSWAN_LAB="$${GOSWAN_LAB-run}" $(GO) test -count=1 -v -run '^TestForeign' $(FOREIGN)
	@GOSWAN_LAB="$${GOSWAN_LAB-run}" $(GO) test -count=1 -timeout 40m -v $(LAB)

# The lab has a short one of 15 s. -timeout 0: SOAK says how long it takes.
soak: tools
	@GOSWAN_LAB="$${GOSWAN_LAB-run}" GOSWAN_LAB_SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -v -run '^TestSoak$$' $(LAB)

# The machine should do nothing else meanwhile.
bench-tunnel: LAB_PACKAGES += iperf3
bench-tunnel: tools
	@CGO_ENABLED=0 $(GO) run -trimpath ./cmd/goswan bench tunnel --goals $(BENCHFLAGS)

# Installs only where something is missing. A daemon that comes with a package is not left running: the lab needs programs.
tools:
	@[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0; \
	missing=; \
	for p in $(LAB_PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	command -v "$$($(GO) env CC)" >/dev/null || missing="$$missing gcc libc6-dev"; \
	[ -n "$$missing" ] || exit 0; \
	echo "tools: installing$$missing"; \
	export DEBIAN_FRONTEND=noninteractive; \
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } \
		|| { echo "tools: apt-get could not install$$missing"; exit 0; }; \
	[ -d /run/systemd/system ] || exit 0; \
	case "$$missing" in *charon-systemd*) systemctl disable --now --quiet strongswan.service || true;; esac; \
	case "$$missing" in *freeradius*) systemctl disable --now --quiet freeradius.service || true;; esac; \
	case "$$missing" in *hostapd*) systemctl disable --now --quiet hostapd.service || true;; esac

check: format vet staticcheck arrows race

format:
	@out=$$(gofmt -l .); [ -z "$$out" ] || { echo "not formatted by gofmt:"; echo "$$out"; exit 1; }

vet:
	@$(GO) vet ./...

staticcheck:
	@$(GO) tool staticcheck ./...

arrows:
	@out=$$($(GO) test -run Arrows . 2>&1) || { printf '%s\n' "$$out"; exit 1; }

cross: $(PLATFORMS)

# Every package has to build; the binary is kept.
$(PLATFORMS):
	@export CGO_ENABLED=0 GOOS=$(@D) GOARCH=$(@F); \
	$(GO) build -trimpath ./... && \
	$(GO) build -trimpath -o dist/goswan-$(@D)-$(@F)$$($(GO) env GOEXE) ./cmd/goswan && echo "built dist/goswan-$(@D)-$(@F)"

# go test may end a slow target at its time limit with this one line for a failure; a real one names its input.
fuzz:
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "fuzz: $$p $$f"; \
			out=$$($(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p 2>&1) && continue; \
			case "$$out" in \
			*'Failing input'*) ;; \
			*'context deadline exceeded'*) continue;; \
			esac; \
			printf '%s\n' "$$out"; exit 1; \
		done; \
	done

clean:
	rm -rf goswan dist
