import Foundation
import RunLog
import TestSupport
import Testing

@Suite("RunDirectory")
struct RunDirectoryTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private var path: String { directory.file("runs/a") }

  private func open(_ existing: RunDirectory.ExistingRun = .refuse) throws -> RunDirectory {
    try RunDirectory(path: path, existing: existing)
  }

  private func expect(_ reason: RunDirectoryFailure.Reason, _ existing: RunDirectory.ExistingRun) {
    let failure = #expect(throws: RunDirectoryFailure.self) { try open(existing) }
    #expect(failure == RunDirectoryFailure(path: path, reason: reason))
    #expect(failure?.exitCode == 73)
  }

  @Test("a new directory is created with its parents", arguments: RunDirectory.ExistingRun.allCases)
  func creates(existing: RunDirectory.ExistingRun) throws {
    let run = try open(existing)
    #expect(!run.isResumed)
    #expect(directory.tree("runs/a") == ["run.lock"])
    #expect(run.paths.metrics == path + "/metrics.jsonl")
  }

  @Test(
    "an empty directory, or one with the leftovers of an interrupted start, is new", arguments: [false, true])
  func empty(hasLeftovers: Bool) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    if hasLeftovers {
      try directory.write("", to: "runs/a/run.lock")
      try directory.write("", to: "runs/a/.run.json.tmp-77")
    }
    #expect(try !open().isResumed)
  }

  @Test(
    "a directory with any mark of a run is refused, resumed or overwritten",
    arguments: ["run.json", "config.yaml", "checkpoints/step-1/model.safetensors"])
  func existing(mark: String) throws {
    try directory.write("x", to: "runs/a/\(mark)")
    expect(.alreadyARun, .refuse)
    #expect(try directory.text("runs/a/\(mark)") == "x")
    #expect(try open(.resume).isResumed)
    #expect(try directory.text("runs/a/\(mark)") == "x")
    #expect(try !open(.overwrite).isResumed)
    #expect(directory.tree("runs/a") == ["run.lock"])
  }

  @Test("a directory with foreign files is never changed", arguments: RunDirectory.ExistingRun.allCases)
  func foreign(existing: RunDirectory.ExistingRun) throws {
    try directory.write("x", to: "runs/a/thesis.txt")
    try directory.write("x", to: "runs/a/metrics.jsonl")
    expect(.foreignFiles, existing)
    #expect(directory.tree("runs/a") == ["metrics.jsonl", "thesis.txt"])
  }

  @Test(
    "a folder of another kind with a config.yaml or checkpoints is never changed",
    arguments: [RunDirectory.ExistingRun.refuse, .overwrite],
    [["config.yaml", "prepared.json", "vocab.txt"], ["checkpoints/last.ckpt", "config.yaml", "train.py"]])
  func resemblesARun(existing: RunDirectory.ExistingRun, names: [String]) throws {
    for name in names { try directory.write("x", to: "runs/a/\(name)") }
    let tree = directory.tree("runs/a")
    expect(.foreignFiles, existing)
    #expect(directory.tree("runs/a") == tree)
  }

  @Test("checkpoints can be resumed without the record of the run, even beside a damaged record")
  func withoutRecord() throws {
    for name in ["checkpoints/step-1/model.safetensors", "config.yaml", "run.json.damaged"] {
      try directory.write("x", to: "runs/a/\(name)")
    }
    expect(.foreignFiles, .overwrite)
    #expect(try open(.resume).isResumed)
  }

  @Test("a file in place of the directory is refused", arguments: RunDirectory.ExistingRun.allCases)
  func file(existing: RunDirectory.ExistingRun) throws {
    try directory.write("x", to: "runs/a")
    expect(.notADirectory, existing)
  }

  @Test("overwriting removes the files of a run and no others")
  func overwriting() throws {
    let ours = [
      "config.yaml", "run.json", "metrics.jsonl", "events.out.tfevents.1.h.2", "vocab.txt",
      "vocab-source.txt", "vocab.source.model", "shape.json", "classes.json",
      "samples/step-1.json", "attention/1.svg", "report.html", ".run.json.tmp-5",
      "checkpoints/step-10/model.safetensors", "checkpoints/.step-11.tmp-5/state.json",
    ]
    let theirs = [
      "notes.md", "samples/1.txt", "vocab.json", "attention/talk.key",
      "checkpoints/favorite/model.safetensors",
    ]
    for name in ours + theirs { try directory.write("x", to: "runs/a/\(name)") }
    try FileManager.default.createSymbolicLink(
      atPath: path + "/checkpoints/last", withDestinationPath: "step-10")
    _ = try open(.overwrite)
    let left = directory.tree("runs/a").filter { $0.contains(".") || $0.contains("last") }
    #expect(left == (theirs + ["run.lock"]).sorted())
  }

  @Test("targets of links outside the run aren't removed")
  func links() throws {
    try directory.write("x", to: "elsewhere/keep.txt")
    try directory.write("x", to: "runs/a/run.json")
    for name in ["samples", "checkpoints"] {
      try FileManager.default.createSymbolicLink(
        atPath: path + "/" + name, withDestinationPath: directory.file("elsewhere"))
    }
    _ = try open(.overwrite)
    #expect(directory.tree("elsewhere") == ["keep.txt"])
  }

  @Test("two jobs can't train in the same directory, and the error names the first job")
  func locking() throws {
    let first = try open()
    let failure = #expect(throws: RunDirectoryFailure.self) { try open(.resume) }
    guard case .locked(let holder) = failure?.reason else {
      Issue.record("refused for \(String(describing: failure))")
      return
    }
    #expect(holder.contains("process \(getpid())"))
    #expect(failure?.description.contains(path) == true)
    withExtendedLifetime(first) {}
  }

  @Test("neither deleting the lock's file nor renaming the directory admits a second job")
  func lockingWithoutTheFile() throws {
    let first = try open()
    try FileManager.default.removeItem(atPath: path + "/run.lock")
    #expect(throws: RunDirectoryFailure(path: path, reason: .locked(holder: ""))) { try open(.resume) }
    try first.requireInPlace()
    let moved = directory.file("runs/b")
    try FileManager.default.moveItem(atPath: path, toPath: moved)
    #expect(throws: RunDirectoryFailure(path: moved, reason: .locked(holder: ""))) {
      try RunDirectory(path: moved, existing: .resume)
    }
    #expect(throws: RunDirectoryFailure(path: path, reason: .replaced)) { try first.requireInPlace() }
    // Another run may start at the old path, but the first run doesn't mistake that directory for its own.
    let second = try open()
    #expect(throws: RunDirectoryFailure(path: path, reason: .replaced)) { try first.requireInPlace() }
    try second.requireInPlace()
  }

  @Test("a command that checks whether a run is in training doesn't prevent a job's start")
  func lookingAtTheLock() throws {
    try directory.write("x", to: "runs/a/run.json")
    let looking = Thread { [paths = RunPaths(root: path)] in for _ in 0..<20_000 { _ = paths.isBeingTrained }
    }
    looking.start()
    for _ in 0..<20 { _ = try open(.resume) }
    looking.cancel()
  }

  @Test("leftovers of dead processes are removed, temporary files of others are not")
  func leftovers() throws {
    try directory.write("x", to: "runs/a/run.json")
    try directory.write("x", to: "runs/a/.run.json.tmp-\(Int32.max)")
    try directory.write("x", to: "runs/a/.report.html.tmp-1")
    _ = try open(.resume)
    #expect(directory.tree("runs/a") == [".report.html.tmp-1", "run.json", "run.lock"])
  }

  @Test("the lock ends with its holder")
  func unlocking() throws {
    do {
      let first = try open()
      withExtendedLifetime(first) {}
    }
    #expect(try !open().isResumed)
  }

  @Test("commands that read accept only the directory of a run")
  func reading() throws {
    try directory.write("x", to: "runs/a/config.yaml")
    #expect(try RunPaths(existing: path).configuration == path + "/config.yaml")
    let (none, empty, file) = (directory.file("none"), directory.file("runs"), path + "/config.yaml")
    #expect(throws: RunDirectoryFailure(path: none, reason: .missing)) { try RunPaths(existing: none) }
    #expect(throws: RunDirectoryFailure(path: empty, reason: .notARun)) { try RunPaths(existing: empty) }
    #expect(throws: RunDirectoryFailure(path: file, reason: .notARun)) { try RunPaths(existing: file) }
    #expect(RunDirectoryFailure(path: none, reason: .missing).exitCode == 66)
  }
}
