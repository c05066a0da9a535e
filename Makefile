SYSTEMS = linux/amd64 linux/arm64 linux/386 darwin/arm64 freebsd/amd64 netbsd/amd64 \
	openbsd/amd64 dragonfly/amd64 windows/amd64 windows/arm64 illumos/amd64
FUZZTIME = 30s
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: test race cross lint bench bench-peers fuzz mutants skips embed test-backends test-peers test-arm64 test-iocp \
	test-embedding

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

lint:
	@bad=$$(gofmt -l .); test -z "$$bad" || { echo "gofmt: $$bad"; exit 1; }
	go run $(STATICCHECK) ./...

bench:
	go test -run '^$$' -bench . ./waitctx ./jobs ./poller/...

# Measures examples/echo beside other libraries' echo servers: about 12 minutes, with cc.
bench-peers:
	cd bench/peers && go test . && go run . -out ../RESULTS.md -charts ..

# The servers of bench/peers build, and echo what they are sent.
test-peers:
	cd bench/peers && go vet ./... && go test .

# Every fuzz target there is, one after the other.
fuzz:
	@grep -r --include='*_test.go' '^func Fuzz' . | sed 's|/[^/]*:func \(Fuzz[A-Za-z0-9]*\).*| \1|' | \
		while read -r pkg name; do echo "fuzz $$pkg $$name"; \
		go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 50x $$pkg || exit 1; done

mutants:
	go run ./internal/cmd/mutants

# Lists the tests that were skipped; fails on one that docs/backends.md does not name.
skips:
	go test -json ./... | go run ./internal/cmd/skips docs/backends.md

# Builds a program in another module by the README's recipe.
embed:
	.ci/embed

# Under the race detector: jobs/jobevio with redis-tools as clients, real OpenSSL in examples/engine, libuv's loop in
# examples/libuv, and the C of docs/porting.md; needs libssl-dev and libuv1-dev.
test-embedding:
	go vet -tags openssl,libuv ./examples/...
	go test -race -count=1 -tags openssl,libuv ./jobs/jobevio ./examples/evio ./examples/engine ./examples/foreignloop \
		./examples/libuv ./examples/porting

# Runs the tests of poller/iocp, jobs and jobnet under Wine.
test-iocp:
	.ci/test-iocp
