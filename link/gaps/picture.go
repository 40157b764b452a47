package gaps

import (
	"fmt"
	"image/color"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/netcaliper/caliper/link"
)

// Format is the file format of a picture.
type Format uint8

// The formats.
const (
	PNG Format = iota
	SVG
)

// The size of a picture, and of a pixel of PNG.
const (
	width  = 10 * vg.Inch
	height = 7.5 * vg.Inch
	dpi    = 140
)

// The colours of what was measured, of what was asked for, and of lines behind both.
var (
	blue   = color.RGBA{R: 24, G: 92, B: 168, A: 255}
	orange = color.RGBA{R: 244, G: 162, B: 64, A: 255}
	grey   = color.RGBA{R: 224, G: 224, B: 224, A: 255}
)

// Draw draws the flow in four panels: the distribution of the gaps against the asked one;
// how often each gap error came, or each gap where nothing was asked for; the drift from
// the schedule over time, or the gaps; and the lengths of bursts. With log the gaps have a
// logarithmic axis, with all of them on it that are above 0. The flow must have a gap.
func (f *Flow) Draw(w io.Writer, format Format, log bool) error {
	panels := [][]*plot.Plot{
		{f.cdfPanel(log), f.histogramPanel(log)},
		{f.trailPanel(log), f.burstPanel()},
	}
	var canvas vg.CanvasWriterTo
	if format == SVG {
		canvas = vgsvg.New(width, height)
	} else {
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi))}
	}
	page := draw.New(canvas)
	page.SetColor(color.White)
	page.Fill(page.Rectangle.Path())
	page = draw.Crop(page, 12, -16, 10, -10)
	page = f.title(page)
	tiles := draw.Tiles{Rows: 2, Cols: 2, PadX: 18, PadY: 14}
	for y, row := range panels {
		for x, p := range row {
			p.Draw(tiles.At(page, x, y))
		}
	}
	_, err := canvas.WriteTo(w)
	return err
}

// title writes the flow and its figures at the top, and returns the rest of the page.
func (f *Flow) title(page draw.Canvas) draw.Canvas {
	line := func(s text.Style, words string) {
		s.YAlign = draw.YTop
		page.FillText(s, vg.Point{X: page.Min.X, Y: page.Max.Y}, words)
		page.Max.Y -= s.Height(words) + 5
	}
	line(style(14), f.Name())
	line(style(10), fmt.Sprintf("%s in %s, mean gap %.2f ns, %.3f Mbit/s of wire, %.3f of payload; %s",
		link.Count(f.Packets, "packet"), seconds(f.Duration), f.Gap.Mean, f.WireRate/1e6, f.PayloadRate/1e6, f.burstWords()))
	if c := f.Asked; c != nil {
		line(style(10), fmt.Sprintf("gap error p50 %d, p95 %d, p99 %d, p99.9 %d, max %d ns; rate error %v; CDFs at most %d ns apart",
			c.GapError.P50, c.GapError.P95, c.GapError.P99, c.GapError.P999, c.GapError.Max, c.RateError, c.CDFDistance))
	}
	page.Max.Y -= 8
	return page
}

func (f *Flow) burstWords() string {
	if f.Bursts.Bursts == 0 {
		return "no bursts"
	}
	return fmt.Sprintf("%s, the longest of %d packets", link.Count(f.Bursts.Bursts, "burst"), f.Bursts.Length.Max)
}

// style returns the style of text of a size in points.
func style(size vg.Length) text.Style {
	return text.Style{
		Color:   color.Black,
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
		Handler: plot.DefaultTextHandler,
	}
}

// panel returns a plot with a grid and without data.
func panel(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = 5
	sans := style(0).Font
	for s, size := range map[*text.Style]vg.Length{
		&p.Title.TextStyle: 11, &p.Legend.TextStyle: 9,
		&p.X.Label.TextStyle: 9, &p.Y.Label.TextStyle: 9,
		&p.X.Tick.Label: 8, &p.Y.Tick.Label: 8,
	} {
		s.Font = font.From(sans, size)
	}
	p.X.Padding, p.Y.Padding = 2, 2
	p.X.Tick.Length, p.Y.Tick.Length = 4, 4
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = grey, grey
	p.Add(grid)
	return p
}
