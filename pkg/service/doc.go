// Package service is the frame of every Highwater process: settings, logs,
// metrics, health, and an ordered start and stop. A binary is one Binary value
// and one line of main:
//
//	type settings struct{ service.Kafka; service.Time; service.HTTP }
//
//	var binary = service.Binary[settings]{
//		Name: "processor", About: "Owns partitions.",
//		Defaults: settings{HTTP: service.HTTP{Listen: "127.0.0.1:8083"}}, Run: run}
//
//	func run(ctx context.Context, p *service.Process, s *settings) error {
//		server := service.NewServer("admin", s.HTTP, p.Logger)
//		p.Group.Add(server.Component(p.Mount(http.NewServeMux())))
//		return p.Group.Run(ctx)
//	}
//
//	func main() { os.Exit(binary.Main(context.Background(), service.FromOS())) }
//
// # Settings
//
// A setting is a struct field with a default and a help text. Its one name, in
// the field's `name` tag, has three spellings that are derived from it: the
// flag --allowed-lateness, the environment variable HIGHWATER_ALLOWED_LATENESS
// and the line allowed.lateness= of the file that --settings-file names. Kafka's
// own settings keep the names Kafka users know (see EnvName). A flag wins over
// the environment, the environment over the file, the file over the default; an
// empty environment variable counts as absent. Field tags beyond kong's own:
//
//	min:"1" max:"10000"   bounds, inclusive, in the notation of the setting
//	secret:""             the value is never logged or shown
//
// A value that the binary puts into Defaults replaces the tag's default.
//
// What it owns: the life of the process, from the arguments to the exit status.
// What it never does: know any domain type, talk to Kafka, keep a global, or
// call os.Exit.
//
// # Invariants
//
//   - I1: a setting that Highwater doesn't know, in a flag, a HIGHWATER_*
//     variable or a line of the file, stops the process with exit status 2.
//     One that only another Highwater service has may stand in the environment
//     and in the file, so that services can share them; it is logged as unused.
//   - I2: no secret reaches a log, a help text or an error.
//   - I3: components stop in the reverse of the order they started in, each
//     within its own deadline, and one is only stopped when the later ones have
//     stopped or used up theirs.
//   - I4: a component that fails, panics or ends early stops all of them, and
//     its error reaches the exit status.
//   - I5: without authentication a server binds loopback addresses only, unless
//     the setting insecure says otherwise.
//   - I6: the exit status is 0 after a graceful stop, 1 for a failure that a
//     restart may cure, 2 for wrong use, 3 where a person must decide.
package service
