// Package render shows a run of `goswan bench`, or the difference of two, as one HTML file and as one PNG picture.
//
//	report.Run ─────────▶ OfRun ─────────┐           ┌─▶ HTML: tables, and plots as SVG
//	report.Difference ──▶ OfDifference ──┴─▶ Page ───┴─▶ PNG: the plots
//
// A plot is data: axes with units, series, what their values spread over. One layout draws it onto either of two canvases,
// so that a plot in the page and the same plot in the picture cannot disagree.
//
// A run may come from a file that somebody else wrote. Every text of it enters the page as a text node or an attribute's value
// of a tree that golang.org/x/net/html writes; the number of cells, of plots and of their parts is bounded; and the page forbids
// itself, by its Content-Security-Policy, scripts and everything that is not in it.
//
// It imports nothing of goswan but package report, so that a plot of a file needs nothing that was measured.
package render
