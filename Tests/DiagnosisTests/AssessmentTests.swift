import Foundation
import TestSupport
import Testing

@testable import Diagnosis

@Suite struct AssessmentTests {
  /// A rank on a host with four cores and without problems.
  private func facts(_ change: (inout HostFacts) -> Void = { _ in }) -> HostFacts {
    var facts = HostFacts()
    (facts.host, facts.time, facts.cores, facts.allowed) = ("n1", 1e9, 4, [0, 1, 2, 3])
    (facts.threads, facts.instructionSet, facts.blasCore, facts.memory) = (1, "avx2", "Haswell", 8 << 30)
    (facts.sharedMemory, facts.temporaryFolder, facts.temporaryBytes) = (1 << 30, "/tmp", 1 << 30)
    change(&facts)
    return facts
  }

  private func finding(_ name: String, _ ranks: [HostFacts]) throws -> Finding {
    try #require(Assessment.findings(ranks).first { $0.name.hasPrefix(name) })
  }

  @Test func nothingIsWrongWithAGoodHost() {
    let findings = Assessment.findings([facts(), facts(), facts(), facts()])
    #expect(findings.allSatisfy { $0.verdict == .ok && $0.cure == nil }, "\(findings)")
    #expect(findings.count == 8)
  }

  @Test func moreRanksThanCoresAreSlower() throws {
    let slots = try finding("slots", Array(repeating: facts(), count: 5))
    #expect(slots.verdict == .warning && slots.cure?.contains("at most 4 ranks") == true)
    // A quota of one and a half processors.
    let quota = try finding("slots", Array(repeating: facts { $0.quota = 1.5 }, count: 2))
    #expect(quota.verdict == .warning && quota.found.contains("1.5 usable"))
  }

  @Test func ranksOnTheSameProcessorAreAProblem() throws {
    let shared = Array(repeating: facts { $0.allowed = [2] }, count: 2)
    #expect(try finding("binding", shared).verdict == .problem)
    let apart = [0, 1, 2, 3].map { processor in facts { $0.allowed = [processor] } }
    #expect(try finding("binding", apart).verdict == .ok)
    let narrow = try finding("binding", [facts { ($0.allowed, $0.threads) = ([2], 4) }])
    #expect(narrow.verdict == .warning && narrow.cure?.contains("--bind-to none") == true)
  }

  @Test func threadsMatchTheProcessors() throws {
    #expect(try finding("threads", [facts { $0.threads = 4 }]).verdict == .ok)
    #expect(try finding("threads", [facts { $0.threads = 8 }]).verdict == .warning)
    #expect(try finding("threads", [facts()]).cure?.contains("more ranks") == true)
  }

  @Test func smallOrMissingFoldersAreNamed() throws {
    #expect(try finding("shared memory", [facts { $0.sharedMemory = 64 << 20 }]).verdict == .warning)
    #expect(try finding("shared memory", [facts { $0.sharedMemory = nil }]).verdict == .warning)
    #expect(try finding("temporary folder", [facts { $0.temporaryBytes = nil }]).verdict == .problem)
  }

  @Test func hostsMustBeAlike() throws {
    let other = facts { ($0.host, $0.blasCore, $0.time) = ("n2", "SkylakeX", 1e9 + 5) }
    #expect(try finding("BLAS core", [facts(), other]).verdict == .problem)
    let clocks = try finding("clocks", [facts(), other])
    #expect(clocks.verdict == .warning && clocks.found.contains("5.00 s"))
  }

  @Test func slowNetworksAreNamed() {
    #expect(Assessment.communication(latency: 2e-6, bandwidth: 5e9).verdict == .ok)
    #expect(Assessment.communication(latency: 5e-3, bandwidth: 5e9).verdict == .warning)
    #expect(Assessment.communication(latency: 2e-6, bandwidth: 1e7).verdict == .warning)
  }
}

@Suite struct HostFactsTests {
  @Test func thisHostIsDescribed() {
    let facts = HostFacts.collect()
    #expect(!facts.host.isEmpty && facts.cores > 0 && !facts.allowed.isEmpty && facts.memory > 0)
  }

  @Test func listsOfProcessors() {
    #expect(HostFacts.processors("0-2,5") == [0, 1, 2, 5])
    #expect(HostFacts.processors("") == [] && HostFacts.processors("3-1,x") == [])
  }

  @Test func quotas() {
    #expect(HostFacts.quota("150000 100000\n") == 1.5)
    #expect(HostFacts.quota("max 100000") == nil && HostFacts.quota("") == nil)
  }

  @Test func physicalCores() {
    let text = (0..<4).map { "processor : \($0)\nphysical id : 0\ncore id : \($0 / 2)" }.joined(
      separator: "\n\n")
    #expect(HostFacts.physicalCores(text) == 2)
    #expect(HostFacts.physicalCores("processor : 0") == nil)
  }
}

@Suite struct DirectoryProbeTests {
  @Test func aGoodDirectoryIsFoundAndLeftAsItWas() throws {
    let directory = try TemporaryDirectory()
    let findings = DirectoryProbe(runDirectory: directory.file("runs/first")).findings()
    #expect(findings.count == 3 && findings.allSatisfy { $0.verdict != .problem }, "\(findings)")
    #expect(findings[0].found.contains("is refused"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
  }

  @Test func aDirectoryThatCannotBeWrittenIsAProblem() {
    let findings = DirectoryProbe(runDirectory: "/proc/runs").findings()
    #expect(findings.map(\.verdict) == [.problem] && findings[0].cure != nil)
  }
}
