// Separate file: every distributed command starts with it.

import Communication

/// The first collectives of every command, which check that all ranks were started in the same way.
///
/// This comes before a command reads any file, because even the order of its collectives may depend on its arguments.
package struct Handshake {
  /// The versions of the program and its libraries, by name.
  package var versions: [String: String]
  /// The arguments after the name of the program.
  package var arguments: [String]

  package init(versions: [String: String], arguments: [String]) {
    self.versions = versions
    self.arguments = arguments
  }

  /// The values of this process.
  static var own: Handshake {
    Handshake(versions: ProgramVersion.all, arguments: Array(CommandLine.arguments.dropFirst()))
  }

  /// Throws `ReplicaMismatch` unless all ranks have the same versions and arguments (collective).
  package func compare(on communicator: any Communicator) throws {
    guard communicator.worldSize > 1 else { return }
    let versions = versions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    try communicator.allEqual(
      text: versions.joined(separator: ", "), what: "the version of the program or of its libraries")
    try communicator.allEqual(
      text: arguments.map(Launcher.quoted).joined(separator: " "), what: "the command line")
  }
}
