package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/goswan/goswan/config/settings"
)

// subsystems are strongSwan's, for which a log has levels.
var subsystems = []string{
	"dmn", "mgr", "ike", "chd", "job", "cfg", "knl", "net", "asn", "enc", "tnc", "imc", "imv", "pts", "tls", "app", "esp", "lib", "any",
}

var logFileTable = table[LogFile]{
	place: "charon.filelog.<name>",
	keys: []key[LogFile]{
		{"path", text(func(l *LogFile) *string { return &l.Path })},
		{"default", func(l *LogFile, v settings.Value) (err error) { l.Default, err = parseLevel(v); return err }},
		{"append", boolean(func(l *LogFile) *bool { return &l.Append })},
		{"flush_line", func(_ *LogFile, v settings.Value) error { _, err := parseBool(v); return err }}, // each line is
		{"time_format", text(func(l *LogFile) *string { return &l.TimeFormat })},
		{"time_precision", oneOf(func(l *LogFile) *string { return &l.TimePrecision }, word[string]{"ms", "ms"}, word[string]{"us", "us"})},
		{"time_add_ms", func(l *LogFile, v settings.Value) error {
			on, err := parseBool(v)
			if on {
				l.TimePrecision = "ms"
			}
			return err
		}},
	},
}

// logFile reads a section of filelog, over what a program before it said of the same one.
func (r *charonReader) logFile(s *settings.Section, where at) {
	i := slices.IndexFunc(r.charon.Logs, func(l LogFile) bool { return l.Name == s.Name })
	if i < 0 {
		i = len(r.charon.Logs)
		r.charon.Logs = append(r.charon.Logs, LogFile{Name: s.Name, Path: s.Name, Default: 1, Append: true, Levels: map[string]int{}, Source: position(s.At)})
	}
	log := &r.charon.Logs[i]
	known := settings.New(s.Name, s.At)
	for _, v := range s.Values() {
		switch {
		case slices.Contains(subsystems, v.Key):
			level, err := parseLevel(v)
			r.report(where.key(v), err)
			log.Levels[v.Key] = level
		case slices.Contains([]string{"ike_name", "json", "log_level"}, v.Key):
			r.ignored = append(r.ignored, settings.Value{Key: where.key(v).path, At: v.At})
		case slices.Contains(logFileTable.keyNames(), v.Key):
			known.Set(v.Key, v.Text, v.At)
		default:
			r.report(where.key(v), unknownOfLog(v.Key))
		}
	}
	logFileTable.read(&r.decoder, log, known, where)
	if log.Path == s.Name && !strings.HasPrefix(s.Name, "/") && s.Name != "stdout" && s.Name != "stderr" {
		r.report(where, warning("add `path = /var/log/"+s.Name+".log`", "the log file has no path and is not written"))
		r.charon.Logs = slices.Delete(r.charon.Logs, i, i+1)
	}
}

// unknownOfLog is a warning, as for all that is unknown in strongswan.conf.
func unknownOfLog(name string) error {
	fix := "a log file has levels for " + strings.Join(subsystems, ", ")
	if near := settings.Nearest(name, append(logFileTable.keyNames(), subsystems...)); near != "" {
		fix = "did you mean " + near + "?"
	}
	return warning(fix, "neither a setting of log files nor a subsystem")
}

// parseLevel reads a log level.
func parseLevel(v settings.Value) (int, error) {
	level, err := strconv.Atoi(v.Text)
	if err != nil || level < -1 || level > 4 {
		return 0, bad("write -1 for silence, or 0 to 4", "%q is not a log level", v.Text)
	}
	return level, nil
}
