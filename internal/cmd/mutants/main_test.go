package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// module writes a module with a function and its tests, and makes it the working
// directory.
func module(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module m\n\ngo 1.26.0\n",
		"a/a.go": "package a\n\nfunc double(n int) int { return 2 * n }\n\nfunc stop() bool { return true }\n",
		"a/a_test.go": `package a

import (
	"os"
	"testing"
)

func TestDouble(t *testing.T) {
	t.Run("three", func(t *testing.T) {
		if got := double(3); got != 6 {
			t.Errorf("double(3) = %d, want 6", got)
		}
	})
	t.Run("zero", func(t *testing.T) {
		if got := double(0); got != 0 {
			t.Errorf("double(0) = %d, want 0", got)
		}
	})
}

func TestStop(t *testing.T) {
	for !stop() {
	}
}

// TestByChance notices only where it has not been before.
func TestByChance(t *testing.T) {
	if double(3) != 6 && os.Mkdir("been", 0o777) == nil {
		t.Error("double(3) is not 6")
	}
}

func TestRed(t *testing.T) { t.Error("red anyhow") }

func TestSkipped(t *testing.T) { t.Skip("not here") }
`,
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func block(old, new, test string) string {
	return "file: a/a.go\nold: " + old + "\nnew: " + new + "\ntest: ./a " + test
}

// TestTry: a fault is killed only by the test that is named, and by a hang only
// if the table says why; the source stays as it is.
func TestTry(t *testing.T) {
	defer func(l, s time.Duration) { limit, short = l, s }(limit, short)
	limit, short = 2*time.Second, time.Second
	module(t)
	before, err := os.ReadFile("a/a.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ block, want string }{
		{block("2 * n", "3 * n", "TestDouble/three"), "killed  "},
		{block("2 * n", "3 * n", "TestDouble/zero"), "SURVIVED"},
		{block("return true", "return false", "TestStop"), "HANGS, why?"},
		{block("return true", "return false", "TestStop") + "\nhangs: it never stops", "hung    "},
	} {
		f := parseOne(t, c.block)
		o, err := f.try(t.TempDir(), 0, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		if o.String() != c.want || o.noticed != (c.want == "killed  " || c.want == "hung    ") {
			t.Errorf("%v: %v, noticed %v, want %v", f, o, o.noticed, c.want)
		}
	}
	if after, err := os.ReadFile("a/a.go"); err != nil || string(after) != string(before) {
		t.Errorf("ReadFile = %q, %v, want it unchanged", after, err)
	}
	if _, err := parseOne(t, block("2 * n", "undefined", "TestDouble")).try(t.TempDir(), 0, 1, 0); err == nil || !strings.Contains(err.Error(), "does not compile") {
		t.Errorf("try = %v, want an error about the compiler", err)
	}
	if _, err := parseOne(t, block("return", "panic", "TestDouble")).try(t.TempDir(), 0, 1, 0); err == nil || !strings.Contains(err.Error(), "2 times") {
		t.Errorf("try = %v, want an error about text that is there twice", err)
	}
}

func parseOne(t *testing.T, block string) fault {
	t.Helper()
	faults, err := parse(block)
	if err != nil || len(faults) != 1 {
		t.Fatalf("parse = %v, %v, want one fault", faults, err)
	}
	return faults[0]
}

// TestUnbroken: a named test has to be there, to run, and to pass.
func TestUnbroken(t *testing.T) {
	module(t)
	for _, c := range []struct{ test, want string }{
		{"TestDouble/three", ""},
		{"TestDouble/four", "has no test"},
		{"TestRed", "fails without a fault"},
		{"TestSkipped", "has no test TestSkipped, or skips it"},
	} {
		f := parseOne(t, block("2 * n", "n", c.test))
		_, err := passUnbroken(t.TempDir(), []fault{f}, 1)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("passUnbroken(%s) = %v, want %q", c.test, err, c.want)
		}
	}
}

// TestRun: a survivor fails the run.
func TestRun(t *testing.T) {
	module(t)
	killed, survivor := parseOne(t, block("2 * n", "3 * n", "TestDouble")), parseOne(t, block("2 * n", "n * 2", "TestDouble"))
	if err := run([]fault{killed, killed}, 2, 1); err != nil {
		t.Errorf("run = %v, want nil", err)
	}
	want := "1 faults survived:\n" + survivor.String()
	if err := run([]fault{killed, survivor}, 2, 1); err == nil || err.Error() != want {
		t.Errorf("run = %v, want %q", err, want)
	}
}

// TestTimes: a test that is red once does for one run, not for two.
func TestTimes(t *testing.T) {
	for times, want := range map[int]string{1: "killed  ", 2: "SURVIVED"} {
		module(t)
		f := parseOne(t, block("2 * n", "3 * n", "TestByChance"))
		if o, err := f.try(t.TempDir(), 0, times, 0); err != nil || o.String() != want {
			t.Errorf("try %d times = %v, %v, want %s", times, o, err, want)
		}
	}
}

func TestParse(t *testing.T) {
	tables := fstest.MapFS{
		"faults.txt":   {Data: []byte(block("a: b", "c", "T/x y") + "\n\n" + block("d", "e", "U"))},
		"faults_b.txt": {Data: []byte("file: f\nold: g\nnew:\ntest: ./a V\n")},
	}
	faults, err := parseAll(tables, nil)
	if err != nil || len(faults) != 3 {
		t.Fatalf("parseAll = %d faults, %v, want 3", len(faults), err)
	}
	if f := faults[0]; f.old != "a: b" || f.pkg != "./a" || f.test != "T/x y" {
		t.Errorf("parse = %+v", f)
	}
	if f := faults[2]; f.new != "" || f.test != "V" {
		t.Errorf("parse = %+v", f)
	}
	if faults, err := parseAll(tables, []string{"faults_b.txt"}); err != nil || len(faults) != 1 {
		t.Errorf("parseAll(faults_b.txt) = %d faults, %v, want 1", len(faults), err)
	}
	if _, err := parse("file: f\nold: g\n"); err == nil {
		t.Error("parse of half a block = nil, want an error")
	}
}
