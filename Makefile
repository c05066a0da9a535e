SYSTEMS = linux/amd64 linux/arm64 linux/386 darwin/arm64 freebsd/amd64 netbsd/amd64 \
	openbsd/amd64 dragonfly/amd64 windows/amd64 windows/arm64 windows/386 illumos/amd64
FUZZTIME = 30s
STRESS = 30s
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: test race cross lint bench bench-backends bench-report fuzz stress mutants skips embed test-backends test-peers \
	test-arm64 test-iocp test-embedding

test:
	go test ./...

# jobs and jobnet on each backend of this system other than the default.
test-backends:
	@names=$$(go run ./internal/cmd/backends) || exit 1; for b in $$names; do \
		echo "BIDE_POLLER=$$b"; BIDE_POLLER=$$b go test -count=1 ./jobs/... || exit 1; done

# What qemu-user can run of other architectures, and 386; installs nothing.
test-arm64:
	.ci/test-qemu

race:
	go test -race ./...

cross:
	@for s in $(SYSTEMS); do echo "vet $$s"; \
		GOOS=$${s%/*} GOARCH=$${s#*/} CGO_ENABLED=0 go vet ./... || exit 1; done
	@echo "build js/wasm, a system without a backend"; GOOS=js GOARCH=wasm go build ./waitctx ./poller ./jobs/...

lint:
	@bad=$$(gofmt -l .); test -z "$$bad" || { echo "gofmt: $$bad"; exit 1; }
	go run $(STATICCHECK) ./...

# With libssl-dev and BENCHFLAGS='-tags openssl' beside OpenSSL too: about 4 minutes.
bench:
	go test $(BENCHFLAGS) -run '^$$' -bench . ./waitctx ./jobs ./poller/... ./bench/...

# The pollers of Linux beside each other, in five rounds, into docs/backends.md.
bench-backends:
	for round in 1 2 3 4 5; do go test -run '^$$' -bench 'Poller' -benchtime 200ms \
		./poller/epoll ./poller/iouring ./poller/pollfd || exit 1; done | go run ./internal/cmd/benchtable docs/backends.md

# Everything beside its rivals, into bench/RESULTS.md: about 25 minutes, with cc and libssl-dev.
bench-report:
	cd bench/peers && go test . && go run . -json ../results.json -out ../RESULTS.md -charts ..

# The servers of bench/peers build, and echo what they are sent.
test-peers:
	cd bench/peers && go vet ./... && go test .

# Every fuzz target there is, one after the other.
fuzz:
	@grep -r --include='*_test.go' '^func Fuzz' . | sed 's|/[^/]*:func \(Fuzz[A-Za-z0-9]*\).*| \1|' | \
		while read -r pkg name; do echo "fuzz $$pkg $$name"; \
		go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 50x $$pkg || exit 1; done

# Numbers that many goroutines open, register, close and use again, on every backend of Linux for STRESS each.
stress:
	BIDE_STRESS=$(STRESS) go test -race -count=1 -timeout 1h -v -run \
		'TestPoller/^43_|TestPoller/^(FreeBSD|macOS|NetBSD|OpenBSD)$$/^43_' \
		./poller/epoll ./poller/iouring ./poller/pollfd ./poller/kqueue

mutants:
	go run ./internal/cmd/mutants

# Lists the tests that were skipped; fails on one that docs/backends.md does not name. With TESTFLAGS=-race it is
# race and skips in one run: the cache of go test cannot help, as only verbose output tells of a skip.
skips:
	go test $(TESTFLAGS) -json ./... | go run ./internal/cmd/skips docs/backends.md

# Builds a program in another module by the README's recipe.
embed:
	.ci/embed

# Under the race detector: jobs/jobevio with redis-tools as clients, real OpenSSL in examples/engine and bench, libuv's loop in
# examples/libuv, and the C of docs/porting.md; needs libssl-dev and libuv1-dev.
test-embedding:
	go vet -tags openssl,libuv ./examples/...
	go test -race -count=1 -tags openssl,libuv ./jobs/jobevio ./examples/evio ./examples/engine ./examples/foreignloop \
		./examples/libuv ./examples/porting ./bench

# Runs the tests of poller/iocp, jobs and jobnet under Wine.
test-iocp:
	.ci/test-iocp
