package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

const (
	chartWidth  = 7 * vg.Inch
	chartHeight = 4.5 * vg.Inch
)

// chart is a file and what draws it.
type chart struct {
	file string
	draw func(file string) error
}

func (r *record) list() []chart {
	var all []chart
	for _, c := range []struct{ kind, file string }{{saturation, "echo-cpu-saturation.svg"}, {openLoop, "echo-cpu-open-loop.svg"}} {
		if len(r.conns(c.kind)) > 0 {
			all = append(all, chart{c.file, func(file string) error { return r.drawCPU(c.kind, file) }})
		}
	}
	if conns := r.conns(memory); len(conns) > 0 {
		all = append(all, chart{"echo-memory.svg", func(file string) error { return r.drawMemory(conns[0], file) }})
	}
	if lines := r.diffCosts(); len(lines) > 0 {
		all = append(all, chart{"diff.svg", func(file string) error { return drawDiff(lines, file) }})
	}
	return all
}

// charts draws what the report says into SVG files of dir.
func (r *record) charts(dir string) error {
	for _, c := range r.list() {
		if err := c.draw(filepath.Join(dir, c.file)); err != nil {
			return err
		}
	}
	return nil
}

// linkCharts ends a report that lies in the directory out.
func (r *record) linkCharts(w io.Writer, out, dir string) {
	fmt.Fprintf(w, "\n## Charts\n\n")
	if rel, err := filepath.Rel(out, dir); err == nil {
		dir = rel
	}
	for _, c := range r.list() {
		fmt.Fprintf(w, "![%s](%s)\n", strings.TrimSuffix(c.file, ".svg"), filepath.ToSlash(filepath.Join(dir, c.file)))
	}
}

// drawCPU draws a line for each server: what an echo costs by connections, over
// what it costs the first.
func (r *record) drawCPU(kind, file string) error {
	p := plot.New()
	p.Title.Text = "Server CPU for an echo of 64 bytes, " + kind
	p.X.Label.Text, p.Y.Label.Text = "connections", "over "+r.Servers[0].Name
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Min = 0
	p.Legend.Left = true
	for i, s := range r.Servers {
		var points plotter.XYs
		for _, conns := range r.conns(kind) {
			over := r.ratios(kind, s.Name, r.Servers[0].Name, conns, cost)
			points = append(points, plotter.XY{X: float64(conns), Y: over.median})
		}
		if err := addLine(p, i, line{s.Name, points}); err != nil {
			return err
		}
	}
	return p.Save(chartWidth, chartHeight, file)
}

// line is a curve with a name.
type line struct {
	name   string
	points plotter.XYs
}

// diffCosts are what a change of one wait costs, by how many are registered.
func (r *record) diffCosts() []line {
	var lines []line
	for _, s := range r.parsed.sides {
		size, ok := strings.CutPrefix(s.bench, "Diff/")
		_, number, _ := strings.Cut(size, "=")
		x, err := strconv.Atoi(number)
		if !ok || err != nil {
			continue
		}
		i := slices.IndexFunc(lines, func(l line) bool { return l.name == s.name })
		if i < 0 {
			i = len(lines)
			lines = append(lines, line{name: s.name})
		}
		lines[i].points = append(lines[i].points, plotter.XY{X: float64(x), Y: r.parsed.own(s, "ns/op").median})
	}
	return lines
}

func drawDiff(lines []line, file string) error {
	p := plot.New()
	p.Title.Text = "Clear, Set, Changes and Ack of one wait"
	p.X.Label.Text, p.Y.Label.Text = "registered waits", "ns"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	for i, l := range lines {
		if err := addLine(p, i, l); err != nil {
			return err
		}
	}
	return p.Save(chartWidth, chartHeight, file)
}

func addLine(p *plot.Plot, i int, l line) error {
	curve, dots, err := plotter.NewLinePoints(l.points)
	if err != nil {
		return err
	}
	curve.Color, curve.Dashes = plotutil.Color(i), plotutil.Dashes(i)
	dots.Color, dots.Shape = plotutil.Color(i), plotutil.Shape(i)
	p.Add(curve, dots)
	p.Legend.Add(l.name, curve, dots)
	return nil
}

// drawMemory draws a bar for each server.
func (r *record) drawMemory(conns int, file string) error {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("Resident memory per idle connection, %s", plural(conns))
	p.Y.Label.Text = "bytes"
	p.Y.Min = 0
	var names []string
	var bytes plotter.Values
	for _, s := range r.Servers {
		names = append(names, s.Name)
		bytes = append(bytes, median(r.values(memory, s.Name, conns, resident)))
	}
	bars, err := plotter.NewBarChart(bytes, vg.Points(30))
	if err != nil {
		return err
	}
	bars.Color = plotutil.Color(0)
	p.Add(bars)
	p.NominalX(names...)
	return p.Save(chartWidth, chartHeight, file)
}
