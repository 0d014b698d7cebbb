import NumericKernels
import RunLog

/// The pieces of work of a step in the Trace Event Format, which Perfetto and Chrome show on a time axis.
enum ProfileTrace {
  static func json(_ events: [StepProfile.Event]) -> JSONValue {
    let origin = events.first?.start ?? 0
    return [
      "displayTimeUnit": "ms",
      "traceEvents": .array(
        events.map { event in
          [
            "name": .string("\(event.kind)"), "ph": "X", "pid": 0, "tid": .integer(Int(event.kind.rawValue)),
            "ts": .double(Double(event.start - origin) / 1e3),
            "dur": .double(Double(event.end - event.start) / 1e3),
          ]
        }),
    ]
  }
}
