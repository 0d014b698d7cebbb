import Foundation
import Testing

@testable import Communication

@Suite struct FlightRecorderTests {
  /// A file that is removed with this value.
  private final class Place {
    let path = NSTemporaryDirectory() + "/rnn-dist-recorder-" + UUID().uuidString
    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  /// The ranks of one job share a directory. Processes that only inherited the variables of a launcher do not: the death of one
  /// must not end the others.
  @Test func jobsOnAHost() {
    func job(_ variables: [String: String], _ process: pid_t, parent: String?) -> String {
      HostRanks.jobFacts(variables: variables, process: process, parent: 5, parentName: parent)
    }
    let hydra = "hydra_pmi_proxy"
    #expect(
      job(["PMI_RANK": "0"], 10, parent: hydra) == job(["PMI_RANK": "1"], 11, parent: hydra))
    #expect(job(["PMI_RANK": "0"], 10, parent: "bash") != job(["PMI_RANK": "1"], 11, parent: "bash"))
    #expect(job([:], 10, parent: nil) != job([:], 11, parent: nil))
    let open = ["PMIX_NAMESPACE": "1234"]
    #expect(job(open, 10, parent: "orted") == job(open, 11, parent: "orted"))
    #expect(job(open, 10, parent: "orted") != job(["PMIX_NAMESPACE": "1235"], 10, parent: "orted"))
  }

  @Test func anotherProcessReadsTheRecords() throws {
    let place = Place()
    let own = FlightRecorder(rank: 3, path: place.path)
    own.enter(.step, step: 17)
    own.begin(.sumOfFloats, bytes: 400)
    own.end()
    own.begin(.exchange, bytes: 8, peer: 0)
    let other = try #require(FlightRecorder(opening: place.path))
    #expect(other.rank == 3 && other.process == getpid() && other.sequence == 2)
    #expect(other.phase == .step && other.step == 17 && other.stage == .starting)
    let records = other.records(8)
    #expect(records.map(\.operation) == [.sumOfFloats, .exchange])
    #expect(records.map(\.bytes) == [400, 8] && records.map(\.peer) == [nil, 0])
    #expect(records[0].seconds != nil && records[1].seconds == nil && records[1].step == 17)
    #expect(other.current?.sequence == 2)
    own.end()
    #expect(other.current == nil)
  }

  @Test func theLastRecordsAreKept() {
    let recorder = FlightRecorder(rank: 0, path: nil)
    #expect(recorder.records(8) == [])
    for bytes in 1...1000 {
      recorder.begin(.barrier, bytes: bytes)
      recorder.end()
    }
    #expect(recorder.records(3).map(\.bytes) == [998, 999, 1000])
    #expect(recorder.records(1000).map(\.sequence) == Array(1001 - FlightRecorder.capacity...1000))
  }

  @Test func otherFilesAreNoRecorders() throws {
    let place = Place()
    #expect(FlightRecorder(opening: place.path) == nil)
    try Data(repeating: 1, count: 20_000).write(to: URL(fileURLWithPath: place.path))
    #expect(FlightRecorder(opening: place.path) == nil)
  }

  @Test func onlyOneCallerReports() {
    let recorder = FlightRecorder(rank: 0, path: nil)
    #expect([recorder.takeReport(), recorder.takeReport(), recorder.takeReport()] == [true, false, false])
  }

  @Test func stepsAreMeasuredFromTheThirdOn() {
    let recorder = FlightRecorder(rank: 0, path: nil)
    for step in 1...3 {
      recorder.enter(.step, step: step)
      usleep(2000)
    }
    #expect(recorder.typicalStep == nil)
    recorder.enter(.save, step: 3)
    recorder.enter(.step, step: 4)
    #expect(recorder.typicalStep == nil)
    recorder.enter(.step, step: 5)
    #expect(recorder.typicalStep != nil)
  }
}

@Suite struct WatchLimitsTests {
  @Test func limitsAreReadFromTheVariable() throws {
    #expect(try WatchLimits("off") == nil)
    #expect(try WatchLimits(nil) == WatchLimits())
    var expected = WatchLimits()
    (expected.step, expected.save) = (30, 1800)
    #expect(try WatchLimits("step=30,save=1800") == expected)
  }

  @Test(arguments: [
    "step", "step=", "step=x", "step=0", "steps=3", "on", "step=1e9", "save=nan", "", "data=7",
  ])
  func mistakesAreRefused(text: String) {
    let error = #expect(throws: WatchLimitsError.self) { try WatchLimits("data=9,\(text)") }
    #expect(error?.part == text && error?.exitCode == 64)
  }

  /// A longer step has a longer limit, a shorter one the smallest limit.
  @Test func theLimitOfAStepFollowsItsDuration() {
    let limits = WatchLimits()
    #expect(limits.limit(.step, typicalStep: 0.01) == 15)
    #expect(limits.limit(.step, typicalStep: 3) == 60)
    #expect(limits.limit(.step, typicalStep: nil) == 60)
    #expect(limits.limit(.save, typicalStep: 3) == 600)
  }
}

@Suite struct HangVerdictTests {
  private func record(
    _ sequence: Int, _ operation: CollectiveKind = .sumOfVector, bytes: Int = 100, isDone: Bool = true
  ) -> FlightRecord {
    FlightRecord(
      sequence: sequence, operation: operation, bytes: bytes, peer: nil, phase: .step, step: 5, age: 20,
      seconds: isDone ? 1 : nil)
  }

  /// A rank that waits in collective 9.
  private func waiting(_ rank: Int, _ operation: CollectiveKind = .sumOfVector, bytes: Int = 100)
    -> RankStatus
  {
    status(rank, 9, [record(8), record(9, operation, bytes: bytes, isDone: false)])
  }

  private func status(
    _ rank: Int, _ sequence: Int, _ records: [FlightRecord], _ process: RankStatus.Process = .sleeping,
    processorTime: Double = 1
  ) -> RankStatus {
    RankStatus(
      rank: rank, host: "n\(rank)", pid: 100, process: process, phase: .step, step: 5, sequence: sequence,
      processorTime: processorTime, records: records)
  }

  private func verdict(_ ranks: [RankStatus], earlier: [RankStatus]? = nil) -> HangVerdict {
    HangVerdict(own: ranks[0], waited: 16, ranks: ranks, earlier: earlier ?? ranks)
  }

  @Test func aStoppedRankIsNamed() {
    let stopped = status(2, 9, [record(8), record(9, isDone: false)], .stopped)
    let verdict = verdict([waiting(0), waiting(1), stopped])
    #expect(verdict.culprits == [2] && !verdict.isWorking)
    for part in [
      "rank 2 on n2 (process 100) is stopped", "rank 0 on n0 has waited 16 s in collective 9", "at step 5",
      "its last record is collective 9 (sum of a vector, 100 bytes)",
    ] { #expect(verdict.message.contains(part), "\(verdict.message)") }
  }

  @Test func aRankThatDoesNotAnswerIsNamed() {
    let verdict = verdict([waiting(0), .silent(1, host: "n1")])
    #expect(verdict.culprits == [1] && verdict.message.contains("rank 1 on n1 doesn't answer"))
  }

  /// Rank 1 waits in an earlier collective for rank 2, which causes both waits.
  @Test func theLastOfSeveralIsNamed() {
    let behind = status(1, 8, [record(8, isDone: false)])
    let verdict = verdict([waiting(0), behind, status(2, 7, [record(7)])])
    #expect(verdict.culprits == [2] && verdict.message.contains("sleeps and has not called it"))
  }

  @Test func aRankThatComputesIsOnlyLate() {
    let (before, after) = (status(1, 8, [record(8)]), status(1, 8, [record(8)], processorTime: 1.5))
    #expect(verdict([waiting(0), after], earlier: [waiting(0), before]).isWorking)
    #expect(!verdict([waiting(0), before], earlier: [waiting(0), before]).isWorking)
    #expect(verdict([waiting(0), status(1, 8, [record(8)], .running)]).isWorking)
  }

  @Test(arguments: [CollectiveKind.barrier, .sumOfVector])
  func differentCallsAreNamed(operation: CollectiveKind) {
    let verdict = verdict([waiting(0), waiting(1), waiting(2, operation, bytes: 4)])
    #expect(verdict.culprits == [2] && verdict.message.contains("different collectives"))
    #expect(verdict.message.contains("rank 2 on n2: collective 9 (\(operation.rawValue), 4 bytes)"))
  }

  @Test func ranksOfOtherHostsMayBeMissingAtTheStart() {
    var start = record(1, .start, isDone: false)
    start.phase = .start
    let verdict = verdict([status(0, 1, [start])])
    #expect(verdict.culprits == [] && verdict.message.contains("not all of the other hosts"))
  }

  @Test func aBrokenConnectionIsSuspectedLast() {
    let verdict = verdict([waiting(0), waiting(1)])
    #expect(verdict.culprits == [] && verdict.message.contains("a connection between them is broken"))
    // The contributions of ranks to an allgather may differ in size.
    let gathering = self.verdict([waiting(0, .allgather, bytes: 1), waiting(1, .allgather, bytes: 2)])
    #expect(gathering.culprits == [])
  }
}

/// Questions and answers between the watchdogs of two hosts, here over the loopback device.
@Suite struct StatusSocketTests {
  @Test func aQuestionIsAnsweredOnce() throws {
    let (asking, answering) = (try #require(StatusSocket()), try #require(StatusSocket()))
    let address = StatusSocket.Address(
      rank: 1, host: "n1", port: answering.port, hosts: ["127.0.0.1", "nonsense"])
    let known = [RankStatus.silent(1, host: "n1"), RankStatus.silent(2, host: "n1")]
    asking.ask(address, token: 7)
    asking.ask(address, token: 8)
    #expect(answering.receive(for: 0.3, token: 7, own: { known }) == [])
    let answers = asking.receive(for: 0.3, token: 7, own: { [] })
    #expect(answers == known)
  }
}
