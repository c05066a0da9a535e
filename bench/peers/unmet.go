package main

import (
	_ "embed"
	"fmt"
	"strings"
)

// unmetText has what was tried for targets that were not met, and what the rest
// of the cost is made of. The report prints what concerns it.
//
//go:embed unmet.md
var unmetText string

// account is a text, and the names of the targets it is about.
type account struct {
	targets []string
	text    string
}

// accounts reads lines "## NAME", each the name of a target, and the text that
// follows one or several of them. What is before the first heading is for whoever
// edits the file.
func accounts(text string) ([]account, error) {
	var all []account
	headings := false // the line before was one
	for line := range strings.Lines(text) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "## ")
		switch {
		case ok && headings:
			a := &all[len(all)-1]
			a.targets = append(a.targets, name)
		case ok:
			all = append(all, account{targets: []string{name}})
		case len(all) > 0:
			all[len(all)-1].text += line
		}
		if strings.TrimSpace(line) != "" {
			headings = ok
		}
	}
	for i := range all {
		if all[i].text = strings.TrimSpace(all[i].text); all[i].text == "" {
			return nil, fmt.Errorf("unmet.md has no text for %q", all[i].targets)
		}
	}
	return all, nil
}
