import Recast

/// One run of a template: what it has written, the names it knows, and what it may still do.
///
/// Source for what anything means: jinja2's `ImmutableSandboxedEnvironment`, as transformers sets it up.
final class TemplateRenderer {
    let budget: TemplateBudget
    /// When it is, for `strftime_now`; seconds since 1970.
    let now: Int
    var output: [MarkedScalar] = []
    var scope: TemplateScope
    /// Of the code that runs, for messages.
    var line = 1
    private var depth = 0
    /// What can hold itself through others, to be let go of at the end.
    private var namespaces: [TemplateNamespace] = []
    private var scopes: [TemplateScope] = []

    /// Deeper calls are refused.
    private static let maximumDepth = 600

    init(variables: [String: TemplateValue], inputSize: Int, now: Int) {
        budget = TemplateBudget(inputSize: inputSize)
        self.now = now
        let globals = TemplateScope(nil)
        globals.names = Self.globals.merging(variables) { $1 }
        scope = TemplateScope(globals)
    }

    /// - Throws: `malformedInput` for what goes wrong and for what the template itself raises, `unsupported` for what is
    ///   not supported and for templates that do too much; with the line.
    func render(_ statements: [TemplateStatement]) throws(RecastError) -> TemplateText {
        let root = scope
        defer {
            // Macros hold the scope that holds them.
            root.names = [:]
            for scope in scopes { scope.names = [:] }
            for namespace in namespaces { namespace.members = [:] }
        }
        do {
            _ = try run(statements)
        } catch {
            throw error.within("line \(line)")
        }
        return TemplateText(output)
    }

    func failure(_ message: String) -> RecastError { RecastError(.malformedInput, message) }

    // MARK: Bounds

    func descend<Result>(_ body: () throws(RecastError) -> Result) throws(RecastError) -> Result {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth else { throw .unsupported("calls are nested too deep") }
        try budget.spend()
        return try body()
    }

    func makeNamespace() throws(RecastError) -> TemplateNamespace {
        try budget.spend(8)
        let namespace = TemplateNamespace()
        namespaces.append(namespace)
        return namespace
    }

    /// To be called for a scope that something refers to which it may hold.
    func keep(_ scope: TemplateScope) {
        if !scope.isKept { scopes.append(scope) }
        scope.isKept = true
    }

    func write(_ text: TemplateText) throws(RecastError) {
        try budget.write(text.count)
        output += text.scalars
    }

    // MARK: Scopes

    /// What `body` writes, in a scope of its own below `parent`.
    func captured(
        in parent: TemplateScope? = nil, _ body: () throws(RecastError) -> Void
    ) throws(RecastError) -> TemplateText {
        let (outer, written) = (scope, output)
        scope = TemplateScope(parent ?? outer)
        output = []
        defer { (scope, output) = (outer, written) }
        try body()
        return TemplateText(output)
    }

    func withScope<Result>(
        _ inner: TemplateScope, _ body: () throws(RecastError) -> Result
    ) throws(RecastError) -> Result {
        let outer = scope
        scope = inner
        defer { scope = outer }
        return try body()
    }
}

/// Names and their values; those of outer scopes are seen, and never set from here.
final class TemplateScope {
    var names: [String: TemplateValue] = [:]
    let parent: TemplateScope?
    var isKept = false

    init(_ parent: TemplateScope?) { self.parent = parent }

    func value(_ name: String) -> TemplateValue? {
        var scope: TemplateScope? = self
        while let here = scope {
            if let value = here.names[name] { return value }
            scope = here.parent
        }
        return nil
    }
}
