import Options
import Tasks

extension RunConfiguration {
  /// Merges `layers`, of which later ones take precedence, and then applies `overrides`.
  ///
  /// - `layers`: roots as read from files or presets; an empty text is an empty layer.
  /// - `overrides`: `key.path=value` arguments; the last one for a key takes precedence.
  /// - `requiringText`: false to list a preset without `data.train`, which the user adds.
  ///
  /// Returns the values with the origin of each. Throws `ConfigurationErrors` with all problems: unknown and repeated
  /// keys, values of the wrong type or out of range, and incompatible keys.
  public static func resolve(
    layers: [ConfigurationNode], overrides: [String], requiringText: Bool = true
  ) throws(ConfigurationErrors) -> ResolvedConfiguration {
    var resolver = Resolver()
    for layer in layers { resolver.apply(layer: layer) }
    for override in overrides { resolver.apply(override: override) }
    resolver.check(requiringText: requiringText)
    guard resolver.issues.isEmpty else { throw ConfigurationErrors(resolver.issues) }
    return ResolvedConfiguration(configuration: resolver.configuration, origins: resolver.origins)
  }
}

/// The configuration under construction and all problems found so far.
private struct Resolver {
  var configuration = RunConfiguration()
  var origins: [String: Origin] = [:]
  var issues: [ConfigurationIssue] = []
  private var invalid: Set<String> = []
  /// Rejected keys, each of which is reported only once.
  private var refused: Set<String> = []

  /// No suggestions are made after this number of issues. Users don't read more of them, and each suggestion requires a
  /// comparison with every key.
  private static let suggestedIssues = 50

  mutating func apply(layer: ConfigurationNode) {
    var seen: [String: Origin] = [:]
    walk(layer, path: "", keyOrigin: layer.origin, seen: &seen)
  }

  mutating func apply(override text: String) {
    let origin = Origin.override(text)
    guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
      report(origin, "", "expects key.path=value, for example \(example(for: text))")
      return
    }
    let path = String(text[..<equals])
    let value = String(text[text.index(after: equals)...])
    guard !value.isEmpty else {
      // An empty value is the result of a shell variable that is not set.
      report(origin, path, "has no value; to unset it, write \(path)=null")
      return
    }
    var seen: [String: Origin] = [:]
    walk(scalar(value, origin), path: path, keyOrigin: origin, seen: &seen)
  }

  /// A correct override, for the message about a word without a value. A path is most likely that of the training data.
  private func example(for word: String) -> String {
    let section = word.prefix { $0 != "." } + "."
    let isPath = word.contains { $0 == "/" || $0 == "." } && !word.contains("=")
    // A file may be called data.csv.
    let isFile = [".csv", ".tsv", ".txt"].contains { word.hasSuffix($0) }
    return isPath && (isFile || !ConfigurationSchema.keys.contains { $0.path.hasPrefix(section) })
      ? "data.train=\(word)" : "model.layers=2"
  }

  /// Parses a value of the command line. Quotes around the whole value make it text, as in YAML.
  private func scalar(_ text: String, _ origin: Origin) -> ConfigurationNode {
    for quote in ["\"", "'"] where text.count >= 2 && text.hasPrefix(quote) && text.hasSuffix(quote) {
      return ConfigurationNode(
        .scalar(text: String(text.dropFirst().dropLast()), isQuoted: true), origin: origin)
    }
    return ConfigurationNode(.scalar(text: text, isQuoted: false), origin: origin)
  }

  private mutating func walk(
    _ node: ConfigurationNode, path: String, keyOrigin: Origin, seen: inout [String: Origin]
  ) {
    if let first = seen[path] {
      report(keyOrigin, path, "is given twice, first at \(first)")
      return
    }
    if path.isEmpty || ConfigurationSchema.sections.contains(path) {
      if !path.isEmpty { seen[path] = keyOrigin }
      walk(section: node, path: path, seen: &seen)
    } else if let key = ConfigurationSchema.keysByPath[path] {
      seen[path] = keyOrigin
      set(key, from: node)
    } else if let (key, part) = ConfigurationSchema.partOwner(of: path) {
      set(part, of: key, from: node)
    } else {
      let nearest =
        issues.count < Self.suggestedIssues
        ? ConfigurationSchema.nearestKey(to: path) : nil
      report(keyOrigin, path, "unknown key", suggestion: nearest)
    }
  }

  private mutating func walk(section node: ConfigurationNode, path: String, seen: inout [String: Origin]) {
    guard case .mapping(let entries) = node.content else {
      // A null node is an empty text, or a section whose keys are all commented out.
      if !node.isNull { reportSection(node, path) }
      return
    }
    for entry in entries {
      let child = path.isEmpty ? entry.key : "\(path).\(entry.key)"
      walk(entry.value, path: child, keyOrigin: entry.origin, seen: &seen)
    }
  }

  private mutating func reportSection(_ node: ConfigurationNode, _ path: String) {
    let example =
      ConfigurationSchema.keys.first { $0.path.hasPrefix(path.isEmpty ? "" : path + ".") }?.path ?? ""
    let doubt = path.isEmpty ? "; is it a configuration?" : ""
    report(
      node.origin, path, "expects keys and values, for example \(example); found \(node.summary)\(doubt)")
  }

  private mutating func set(_ key: ConfigurationKey, from node: ConfigurationNode) {
    if key.read(node, &configuration) {
      origins[key.path] = node.origin
      return
    }
    invalid.insert(key.path)
    var suggestion: String?
    if case .scalar(let text, _) = node.content { suggestion = nearestName(to: text, among: key.choices) }
    report(node.origin, key.path, "expects \(key.expectation); found \(node.summary)", suggestion: suggestion)
  }

  /// Sets a part of a key's value, as in `data.train.source=path`.
  private mutating func set(_ part: String, of key: ConfigurationKey, from node: ConfigurationNode) {
    if let readPart = key.readPart, readPart(part, node, &configuration) {
      origins[key.path] = node.origin
      return
    }
    invalid.insert(key.path)
    report(node.origin, "\(key.path).\(part)", "expects a path; found \(node.summary)")
  }

  /// A problem with valid values: the keys involved, the one to change first, and a description.
  private struct Finding {
    let kind: OptionProblem.Kind
    let paths: [String]
    let message: String
  }

  /// Reports incompatible values, and settings that the task does not read.
  ///
  /// A preset may set keys that another task does not read. That is not an error of the user, so these keys are reset
  /// to their defaults.
  mutating func check(requiringText: Bool) {
    guard !invalid.contains(ConfigurationSchema.path(of: \RunConfiguration.task)) else { return }
    let format = ConfigurationSchema.path(of: \RunConfiguration.data.format)
    if origins[format] == nil, !invalid.contains(format), let named = configuration.formatByName {
      configuration.data.format = named
      origins[format] = origins[ConfigurationSchema.path(of: \RunConfiguration.data.train)]
    }
    var findings = findings(requiringText: requiringText)
    while resetUnread(findings) { findings = self.findings(requiringText: requiringText) }
    for finding in findings where finding.kind == .unread && refused.insert(finding.paths[0]).inserted {
      report(origins[finding.paths[0]] ?? .defaultValue, finding.paths[0], finding.message)
    }
    for finding in findings where finding.kind == .conflict && !refused.contains(finding.paths[0]) {
      report(lastSet(of: finding.paths), finding.paths[0], finding.message)
    }
  }

  /// The problems in the order of the keys, without those that involve a key with an invalid value.
  private func findings(requiringText: Bool) -> [Finding] {
    var findings = ConfigurationSchema.keys.compactMap { key in
      ignored(key).map { Finding(kind: .unread, paths: [key.path], message: $0) }
    }
    let problems = configuration.problems + (requiringText ? configuration.missingText : [])
    findings += problems.map { problem in
      Finding(
        kind: problem.kind, paths: problem.properties.map(ConfigurationSchema.path),
        message: problem.message(ConfigurationSchema.path))
    }
    let hasFiles = configuration.data.train != nil
    return findings.filter { finding in
      // If there are files, no data are generated, whatever the task.
      let isGenerator = finding.kind == .unread && finding.paths[0].hasPrefix("data.generat")
      return invalid.isDisjoint(with: finding.paths) && !(isGenerator && hasFiles)
    }
  }

  /// The reason why the task does not use the value of a key, or nil.
  private func ignored(_ key: ConfigurationKey) -> String? {
    let task = configuration.task
    guard !key.isRead(by: task), key.write(configuration) != key.defaultText else { return nil }
    let readers = TaskKind.all.filter(key.isRead).map(\.name)
    return "is for \(readers.joined(separator: ", ")); the task \(task.name) would ignore it"
  }

  /// Resets the keys of a preset that the task does not read; returns false if there were none.
  private mutating func resetUnread(_ findings: [Finding]) -> Bool {
    var resets = false
    for finding in findings where finding.kind == .unread {
      let path = finding.paths[0]
      guard case .preset = origins[path], let key = ConfigurationSchema.keysByPath[path] else { continue }
      key.reset(&configuration)
      origins[path] = nil
      resets = true
    }
    return resets
  }

  /// The origin of the last setting among some keys: it caused the problem, because the earlier settings were
  /// compatible. Keys that name data are left out, because a user wouldn't change the data to make another setting
  /// valid.
  private func lastSet(of paths: [String]) -> Origin {
    let own = origins[paths[0]]
    let candidates =
      [own] + paths.dropFirst().filter { !$0.hasPrefix("data.") && $0 != "task" }.map { origins[$0] }
    let known = candidates.compactMap { $0 }
    let last = known.map(\.order).max()
    return known.first { $0.order == last } ?? paths.compactMap { origins[$0] }.first ?? .defaultValue
  }

  private mutating func report(_ origin: Origin, _ key: String, _ message: String, suggestion: String? = nil)
  {
    issues.append(ConfigurationIssue(origin: origin, key: key, message: message, suggestion: suggestion))
  }
}
