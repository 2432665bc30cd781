/// What a template's code computes.
indirect enum TemplateExpression: Sendable {
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(TemplateText)
    case name(String, line: Int)
    case list([TemplateExpression])
    case tuple([TemplateExpression])
    case dictionary([(key: TemplateExpression, value: TemplateExpression)], line: Int)
    case attribute(TemplateExpression, String, line: Int)
    case item(TemplateExpression, TemplateExpression, line: Int)
    case slice(TemplateExpression, [TemplateExpression?], line: Int)
    case call(TemplateExpression, TemplateCall)
    case filter(TemplateExpression, String, TemplateCall)
    case test(TemplateExpression, String, TemplateCall)
    case minus(TemplateExpression, line: Int)
    case plus(TemplateExpression, line: Int)
    case binary(String, TemplateExpression, TemplateExpression, line: Int)
    case concatenation([TemplateExpression])
    case comparison(TemplateExpression, [(sign: String, other: TemplateExpression)], line: Int)
    case and(TemplateExpression, TemplateExpression)
    case or(TemplateExpression, TemplateExpression)
    case not(TemplateExpression)
    case conditional(if: TemplateExpression, TemplateExpression, else: TemplateExpression?)
}

/// What a function, a filter or a test is given.
struct TemplateCall: Sendable {
    var positional: [TemplateExpression] = []
    var keywords: [(name: String, value: TemplateExpression)] = []
    /// `*arguments` and `**arguments`
    var list: TemplateExpression?
    var mapping: TemplateExpression?
    var line: Int
}

/// What a template does.
indirect enum TemplateStatement: Sendable {
    case text([MarkedScalar])
    case output(TemplateExpression, line: Int)
    case choice([(condition: TemplateExpression, body: [TemplateStatement])], else: [TemplateStatement])
    case loop(TemplateLoopSyntax)
    case set(TemplateTarget, TemplateExpression, line: Int)
    case setBlock(TemplateTarget, [TemplateFilterSyntax], [TemplateStatement], line: Int)
    case macro(TemplateMacro)
    case call(TemplateExpression, TemplateCall, TemplateMacro)
    case filterBlock([TemplateFilterSyntax], [TemplateStatement], line: Int)
    case with([(target: TemplateTarget, value: TemplateExpression)], [TemplateStatement], line: Int)
    /// What a model writes itself.
    case generation([TemplateStatement], line: Int)
    case `break`(line: Int)
    case `continue`(line: Int)
}

struct TemplateLoopSyntax: Sendable {
    var target: TemplateTarget
    var iterable: TemplateExpression
    var condition: TemplateExpression?
    var body: [TemplateStatement]
    var otherwise: [TemplateStatement]
    var line: Int
}

struct TemplateFilterSyntax: Sendable {
    var name: String
    var call: TemplateCall
}

/// What is set: names, a namespace's member, or several of these.
indirect enum TemplateTarget: Sendable {
    case name(String)
    case member(String, String)
    case tuple([TemplateTarget])
}

struct TemplateMacro: Sendable {
    var name: String
    var parameters: [(name: String, value: TemplateExpression?)]
    var body: [TemplateStatement]
    /// Names that the body uses: whether it takes `varargs`, `kwargs` and `caller` follows from them.
    var uses: Set<String>
    var line: Int
}
