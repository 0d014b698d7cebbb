import ArgumentParser
import Configuration
import Foundation
import Tasks

struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "List the presets; show or check a configuration.",
    subcommands: [ConfigListCommand.self, ConfigShowCommand.self, ConfigCheckCommand.self])
}

struct ConfigListCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the presets built into the program, or say what one is for and how to run it.",
    discussion: """
      Examples:
        rnn-dist config list
        rnn-dist config list char-lm
      """)

  @Argument(
    help: "The preset to describe (default: list all).",
    completion: .custom { _, _, _ in Presets.names })
  var preset: String?

  func validate() throws {
    guard let preset, !Presets.names.contains(preset) else { return }
    let nearest = nearestName(to: preset, among: Presets.names).map { "; did you mean \"\($0)\"?" } ?? ""
    throw ValidationError("unknown preset \"\(preset)\"\(nearest)")
  }

  func runLocally() throws -> Int32 {
    if let preset {
      let lines = Self.opening(of: preset).map { $0.isEmpty ? "" : "    \($0)" }
      try StandardOutput.line(([preset] + lines).joined(separator: "\n"))
      return ExitCode.done
    }
    let width = Presets.names.map(\.count).max() ?? 0
    for name in Presets.names {
      let space = String(repeating: " ", count: width + 2 - name.count)
      try StandardOutput.line(name + space + Self.purpose(of: name))
    }
    return ExitCode.done
  }

  /// The purpose of a preset in a few words: its comment up to the first details.
  private static func purpose(of name: String) -> String {
    let text = opening(of: name).prefix { !$0.isEmpty }.joined(separator: " ")
    let details = [". ", ": ", " (", ", for example", ", such as"].compactMap {
      text.range(of: $0)?.lowerBound
    }
    return String(text[..<(details.min() ?? text.endIndex)])
  }

  /// The comment at the start of a preset, which describes its purpose and how to run it, without the name of the
  /// preset.
  private static func opening(of name: String) -> [String] {
    let text = Presets.text(named: name) ?? ""
    let comment = text.split(separator: "\n", omittingEmptySubsequences: false).prefix { $0.hasPrefix("#") }
    return comment.enumerated().map { number, line in
      let content = line.dropFirst(line.hasPrefix("# ") ? 2 : 1)
      let own = "\(name): "
      return String(number == 0 && content.hasPrefix(own) ? content.dropFirst(own.count) : content)
    }
  }
}

struct ConfigShowCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Print every value and its origin.",
    discussion: """
      Example:
        rnn-dist config show char-lm model.layers=3
      """)

  @OptionGroup var arguments: ConfigurationArguments

  func runLocally() throws -> Int32 {
    let resolved = try arguments.resolve(requiringText: false)
    try StandardOutput.line(resolved.show().joined(separator: "\n"))
    return ExitCode.done
  }
}

struct ConfigCheckCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Report all mistakes in a configuration.",
    discussion: """
      Prints ok, or all mistakes at once with exit code 78. The data files are not read: rnn-dist train --dry-run does that.
      """)

  @OptionGroup var arguments: ConfigurationArguments

  func runLocally() throws -> Int32 {
    _ = try arguments.resolve(requiringText: false)
    try StandardOutput.line("ok")
    return ExitCode.done
  }
}
