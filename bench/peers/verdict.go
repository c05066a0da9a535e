package main

import (
	"fmt"
	"io"
	"strings"
)

// reportTargets writes what was to be reached, and beneath it why what was not met
// was not.
func (r *record) reportTargets(w io.Writer) error {
	verdicts := r.judge()
	var unmet, missing int
	for _, v := range verdicts {
		switch {
		case !v.measured:
			missing++
		case !v.met:
			unmet++
		}
	}
	fmt.Fprintf(w, "Of %d targets %d are met", len(verdicts), len(verdicts)-unmet-missing)
	if unmet > 0 {
		fmt.Fprintf(w, ", %d are not: see below the table", unmet)
	}
	if missing > 0 {
		fmt.Fprintf(w, "; for %d nothing was measured in this run", missing)
	}
	fmt.Fprintf(w, ".\nA target is met or not by the median; in brackets the least and the greatest of the rounds. Where they disagree\n")
	fmt.Fprintf(w, "on it, it says so: on another day it may come out the other way.\n\n")
	fmt.Fprintf(w, "| what | target | measured | |\n|---|---|---|---|\n")
	for _, v := range verdicts {
		fmt.Fprintf(w, "| %s | %s %s | %s | %s |\n", v.name, v.bound, v.format(v.value), v.foundText(), v.outcome())
	}
	return r.accountFor(w, verdicts)
}

func (v *verdict) outcome() string {
	switch {
	case !v.measured:
		return "**not measured**"
	case !v.met && v.sure():
		return "**not met**"
	case !v.met:
		return "**not met**, the rounds disagree"
	case !v.sure():
		return "met, the rounds disagree"
	}
	return "met"
}

// format has the target's unit behind a value; a ratio has none.
func (t *target) format(v float64) string {
	number := plain(v)
	unit, _, _ := strings.Cut(t.unit, "/")
	switch unit = strings.TrimPrefix(unit, "busiest-"); unit {
	case "B", "%":
		return number + " " + unit
	}
	return number
}

func (v *verdict) foundText() string {
	if !v.measured {
		return ""
	}
	s := fmt.Sprintf("%s (%s-%s)", v.format(v.median), v.format(v.least), v.format(v.most))
	if v.remark != "" {
		s += ", " + v.remark
	}
	return s
}

// accountFor writes the account of each target that was not met.
func (r *record) accountFor(w io.Writer, verdicts []verdict) error {
	all, err := accounts(unmetText)
	if err != nil {
		return err
	}
	unmet := make(map[string]bool)
	for _, v := range verdicts {
		unmet[v.name] = v.measured && !v.met
	}
	for _, a := range all {
		var names []string
		for _, name := range a.targets {
			if unmet[name] {
				names = append(names, name)
			}
			delete(unmet, name)
		}
		if len(names) > 0 {
			fmt.Fprintf(w, "\n**%s**:\n%s\n", strings.Join(names, "; "), a.text)
		}
	}
	var none []string
	for _, v := range verdicts {
		if unmet[v.name] {
			none = append(none, v.name)
		}
	}
	if len(none) > 0 {
		fmt.Fprintf(w, "\nbench/peers/unmet.md has no account of: %s.\n", strings.Join(none, "; "))
	}
	return nil
}
