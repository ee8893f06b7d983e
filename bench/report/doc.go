// Package report is a run of `goswan bench` as data: what was measured, on which machine, with every round's values, and the
// statistics by which figures are printed and compared. What measures fills a Run; what prints and plots reads one.
//
//	crypto ike path tunnel ──Recorder──▶ Run ──▶ JSON, CSV, text, plots
//
// It imports nothing of goswan, so that a plot of a file needs nothing that was measured.
package report
