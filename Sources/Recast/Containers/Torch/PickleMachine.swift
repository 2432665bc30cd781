/// Reads a pickle of protocol 2 to 5 without running anything.
///
/// Source: CPython's `Lib/pickletools.py`, whose names the opcodes have here.
struct PickleMachine: ~Copyable {
    private let bytes: UnsafeRawBufferPointer
    private let file: String
    /// Where the pickle begins in the file, for messages.
    private let base: Int
    private var place = 0
    private var stack: [Pickle.Value] = []
    /// Heights of the stack at the open marks.
    private var marks: [Int] = []
    /// What is remembered under the numbers from 0 on, as every program counts, and under others.
    private var memo: [Pickle.Value] = []
    private var farMemo: [Int: Pickle.Value] = [:]
    private var pickle = Pickle()

    /// A pickle nests no deeper than this: readers of its values may be recursive.
    private static let maximumDepth: UInt8 = 200
    /// Names of classes are written out in messages and comparisons, of as many objects as there are.
    private static let maximumNameLength = 1024

    /// - Throws: `malformedInput` with the byte offset, for anything that is no pickle, refers to itself or nests too deep.
    static func read(_ bytes: UnsafeRawBufferPointer, file: String, base: Int = 0) throws(RecastError) -> Pickle {
        var machine = PickleMachine(bytes, file: file, base: base)
        try machine.run()
        try machine.pickle.checkNesting(limit: maximumDepth, file: file)
        machine.pickle.index()
        return machine.pickle
    }

    private init(_ bytes: UnsafeRawBufferPointer, file: String, base: Int) {
        self.bytes = bytes
        self.file = file
        self.base = base
    }

    private func failure(_ message: String) -> RecastError { .malformed(file, at: base + place, message) }

    // MARK: Reading bytes

    private mutating func take(_ count: Int) throws(RecastError) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= bytes.count - place else { throw failure("the pickle ends too early") }
        defer { place += count }
        return UnsafeRawBufferPointer(rebasing: bytes[place..<place + count])
    }

    private mutating func integer<Integer: FixedWidthInteger>(_: Integer.Type) throws(RecastError) -> Integer {
        try take(MemoryLayout<Integer>.size).integer(at: 0, as: Integer.self)
    }

    /// The length of what follows.
    private mutating func length<Integer: FixedWidthInteger>(_: Integer.Type) throws(RecastError) -> Int {
        guard let count = Int(exactly: try integer(Integer.self)), count >= 0 else {
            throw failure("a length that is too large")
        }
        return count
    }

    private mutating func text(_ count: Int) throws(RecastError) -> String {
        let bytes = try take(count)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw failure("a string that is not UTF-8") }
        return text
    }

    private mutating func line() throws(RecastError) -> String {
        guard let end = bytes[place...].firstIndex(of: 10) else { throw failure("the pickle ends too early") }
        defer { place = end + 1 }
        return try text(end - place)
    }

    // MARK: The stack

    private mutating func pop() throws(RecastError) -> Pickle.Value {
        guard stack.count > (marks.last ?? 0), let value = stack.popLast() else { throw failure("the stack is empty") }
        return value
    }

    private mutating func popToMark() throws(RecastError) -> [Pickle.Value] {
        guard let mark = marks.popLast() else { throw failure("there is no mark") }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }

    private mutating func push(_ node: Pickle.Node) {
        stack.append(.node(pickle.nodes.count))
        pickle.nodes.append(node)
    }

    private func pairs(_ values: [Pickle.Value]) throws(RecastError) -> [(Pickle.Value, Pickle.Value)] {
        guard values.count.isMultiple(of: 2) else { throw failure("a key without a value") }
        return stride(from: 0, to: values.count, by: 2).map { (values[$0], values[$0 + 1]) }
    }

    /// Changes the container on top of the stack.
    private mutating func change(
        _ body: (inout Pickle.Node) -> Bool, _ what: String
    ) throws(RecastError) {
        guard stack.count > (marks.last ?? 0), case .node(let index) = stack[stack.count - 1],
            body(&pickle.nodes[index])
        else { throw failure("\(what) of what is none") }
    }

    private mutating func append(_ values: [Pickle.Value]) throws(RecastError) {
        try change(
            { node in
                switch node {
                case .list(var elements):
                    node = .list([])
                    elements += values
                    node = .list(elements)
                case .object(var object):
                    node = .list([])
                    object.elements += values
                    node = .object(object)
                default: return false
                }
                return true
            }, "an element of a list")
    }

    private mutating func set(_ items: [(Pickle.Value, Pickle.Value)]) throws(RecastError) {
        try change(
            { node in
                switch node {
                case .dictionary(var old):
                    node = .list([])
                    old += items
                    node = .dictionary(old)
                case .object(var object):
                    node = .list([])
                    object.items += items
                    node = .object(object)
                default: return false
                }
                return true
            }, "an item of a dictionary")
    }

    private mutating func push(global module: String, _ name: String) throws(RecastError) {
        guard max(module.utf8.count, name.utf8.count) <= Self.maximumNameLength else {
            throw failure("a class whose name has \(module.utf8.count + name.utf8.count) bytes")
        }
        stack.append(.global(module, name))
    }

    private mutating func make(_ type: Pickle.Value, _ arguments: Pickle.Value) throws(RecastError) {
        switch type {
        case .global, .node: push(.object(Pickle.Object(type: type, arguments: arguments)))
        default: throw failure("an object of what is no class")
        }
    }

    // MARK: Opcodes

    private mutating func run() throws(RecastError) {
        while true {
            let opcode = try integer(UInt8.self)
            if opcode == UInt8(ascii: ".") { break }
            try execute(opcode)
        }
        guard marks.isEmpty, stack.count == 1 else { throw failure("the pickle leaves \(stack.count) values") }
        pickle.root = stack[0]
        // What is only needed on the way takes as much as what is kept.
        (stack, memo, farMemo) = ([], [], [:])
    }

    private mutating func execute(_ opcode: UInt8) throws(RecastError) {
        switch opcode {
        // PROTO, FRAME
        case 0x80:
            let version = try integer(UInt8.self)
            guard version <= 5 else { throw failure("pickle protocol \(version); 5 is the last one known") }
        case 0x95: _ = try length(UInt64.self)

        // MARK, POP, POP_MARK, DUP
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "0"):
            if marks.last == stack.count { marks.removeLast() } else { _ = try pop() }
        case UInt8(ascii: "1"): _ = try popToMark()
        case UInt8(ascii: "2"):
            let top = try pop()
            stack += [top, top]

        // NONE, NEWTRUE, NEWFALSE
        case UInt8(ascii: "N"): stack.append(.none)
        case 0x88: stack.append(.bool(true))
        case 0x89: stack.append(.bool(false))

        // BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT
        case UInt8(ascii: "J"): stack.append(.int(Int(try integer(Int32.self))))
        case UInt8(ascii: "K"): stack.append(.int(Int(try integer(UInt8.self))))
        case UInt8(ascii: "M"): stack.append(.int(Int(try integer(UInt16.self))))
        case 0x8A: stack.append(try long(length(UInt8.self)))
        case 0x8B: stack.append(try long(length(Int32.self)))
        case UInt8(ascii: "G"): stack.append(.float(Double(bitPattern: try integer(UInt64.self).byteSwapped)))

        // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
        case UInt8(ascii: "X"): stack.append(.string(try text(length(UInt32.self))))
        case 0x8C: stack.append(.string(try text(length(UInt8.self))))
        case 0x8D: stack.append(.string(try text(length(UInt64.self))))
        // BINSTRING, SHORT_BINSTRING: bytes of Python 2, which may be text.
        case UInt8(ascii: "T"): stack.append(legacy(try take(length(Int32.self))))
        case UInt8(ascii: "U"): stack.append(legacy(try take(length(UInt8.self))))
        // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
        case UInt8(ascii: "B"): stack.append(.bytes(Array(try take(length(UInt32.self)))))
        case UInt8(ascii: "C"): stack.append(.bytes(Array(try take(length(UInt8.self)))))
        case 0x8E, 0x96: stack.append(.bytes(Array(try take(length(UInt64.self)))))

        // EMPTY_LIST, APPEND, APPENDS, LIST
        case UInt8(ascii: "]"): push(.list([]))
        case UInt8(ascii: "a"): try append([try pop()])
        case UInt8(ascii: "e"): try append(try popToMark())
        case UInt8(ascii: "l"): push(.list(try popToMark()))
        // EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2, TUPLE3
        case UInt8(ascii: ")"): push(.tuple([]))
        case UInt8(ascii: "t"): push(.tuple(try popToMark()))
        case 0x85, 0x86, 0x87:
            var values: [Pickle.Value] = []
            for _ in 0..<opcode - 0x84 { values.append(try pop()) }
            push(.tuple(values.reversed()))
        // EMPTY_DICT, DICT, SETITEM, SETITEMS
        case UInt8(ascii: "}"): push(.dictionary([]))
        case UInt8(ascii: "d"): push(.dictionary(try pairs(try popToMark())))
        case UInt8(ascii: "s"):
            let value = try pop()
            try set([(try pop(), value)])
        case UInt8(ascii: "u"): try set(try pairs(try popToMark()))
        // EMPTY_SET, ADDITEMS, FROZENSET
        case 0x8F: push(.set([]))
        case 0x90:
            let values = try popToMark()
            try change(
                { node in
                    guard case .set(var elements) = node else { return false }
                    node = .set([])
                    elements += values
                    node = .set(elements)
                    return true
                }, "an element of a set")
        case 0x91: push(.set(try popToMark()))

        // MEMOIZE, BINPUT, LONG_BINPUT, PUT; BINGET, LONG_BINGET, GET
        case 0x94: try remember(memo.count + farMemo.count)
        case UInt8(ascii: "q"): try remember(Int(try integer(UInt8.self)))
        case UInt8(ascii: "r"): try remember(Int(try integer(UInt32.self)))
        case UInt8(ascii: "h"): try recall(Int(try integer(UInt8.self)))
        case UInt8(ascii: "j"): try recall(Int(try integer(UInt32.self)))

        // GLOBAL, STACK_GLOBAL
        case UInt8(ascii: "c"):
            let module = try line()
            try push(global: module, try line())
        case 0x93:
            guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
                throw failure("a class whose name is no string")
            }
            try push(global: module, name)
        // REDUCE, NEWOBJ, NEWOBJ_EX, BUILD
        case UInt8(ascii: "R"), 0x81:
            let arguments = try pop()
            try make(try pop(), arguments)
        case 0x92:
            _ = try pop()
            let arguments = try pop()
            try make(try pop(), arguments)
        case UInt8(ascii: "b"):
            let state = try pop()
            try change(
                { node in
                    switch node {
                    case .object(var object):
                        object.state = state
                        node = .object(object)
                        return true
                    // An instance of a subclass without arguments.
                    case .dictionary, .list, .set: return true
                    case .tuple, .persistent: return false
                    }
                }, "the state of an object")
        // BINPERSID
        case UInt8(ascii: "Q"): push(.persistent(try pop()))

        case 0x82, 0x83, 0x84: throw failure("an extension code, which only the program that wrote it knows")
        case 0x97, 0x98: throw failure("a buffer that lies outside the pickle")
        default:
            let digits = String(opcode, radix: 16)
            throw failure("the opcode 0x\(digits.count < 2 ? "0" : "")\(digits) is none of pickle protocol 2 to 5")
        }
    }

    private mutating func remember(_ key: Int) throws(RecastError) {
        guard stack.count > (marks.last ?? 0), let top = stack.last else { throw failure("the stack is empty") }
        if key < memo.count {
            memo[key] = top
        } else if key == memo.count {
            memo.append(top)
            if !farMemo.isEmpty { farMemo[key] = nil }
        } else {
            farMemo[key] = top
        }
    }

    private mutating func recall(_ key: Int) throws(RecastError) {
        guard let value = key < memo.count ? memo[key] : farMemo[key] else {
            throw failure("entry \(key) of the memo was never made")
        }
        stack.append(value)
    }

    private mutating func long(_ count: Int) throws(RecastError) -> Pickle.Value {
        let bytes = try take(count)
        guard count > 8 else {
            var number: UInt64 = bytes.last.map { $0 & 0x80 != 0 } == true ? .max : 0
            for byte in bytes.reversed() { number = number << 8 | UInt64(byte) }
            return .int(Int(bitPattern: UInt(number)))
        }
        return .bigInt(Array(bytes))
    }

    private func legacy(_ bytes: UnsafeRawBufferPointer) -> Pickle.Value {
        String(validating: bytes, as: UTF8.self).map(Pickle.Value.string) ?? .bytes(Array(bytes))
    }
}

extension Pickle {
    /// Refuses containers that hold themselves, and chains of containers too long for recursion. Each container is walked
    /// through once, in however many places it is.
    fileprivate func checkNesting(limit: UInt8, file: String) throws(RecastError) {
        struct Step {
            var node: Int
            var parts: [UInt32]
            var next = 0
            /// Of the parts that are known.
            var depth: UInt8 = 0
        }
        let (unknown, open): (UInt8, UInt8) = (0, .max)
        precondition(limit < open - 1)
        var depths = [UInt8](repeating: unknown, count: nodes.count)
        var path: [Step] = []
        for first in nodes.indices where depths[first] == unknown {
            depths[first] = open
            path.append(Step(node: first, parts: parts(of: nodes[first])))
            while let top = path.indices.last {
                if path[top].next < path[top].parts.count {
                    let part = Int(path[top].parts[path[top].next])
                    path[top].next += 1
                    if depths[part] == open {
                        throw .malformed(file, "a pickle with a container that holds itself")
                    } else if depths[part] == unknown {
                        guard path.count < limit else {
                            throw .malformed(file, "a pickle nested more than \(limit) deep")
                        }
                        depths[part] = open
                        path.append(Step(node: part, parts: parts(of: nodes[part])))
                    } else {
                        path[top].depth = max(path[top].depth, depths[part])
                    }
                    continue
                }
                let depth = path[top].depth + 1
                guard depth <= limit else { throw .malformed(file, "a pickle nested more than \(limit) deep") }
                depths[path[top].node] = depth
                path.removeLast()
                if top > 0 { path[top - 1].depth = max(path[top - 1].depth, depth) }
            }
        }
    }

    /// The nodes in a node, of which there are no more than bytes in a pickle.
    private func parts(of node: Node) -> [UInt32] {
        var parts: [UInt32] = []
        func add(_ value: Value?) { if case .node(let index) = value { parts.append(UInt32(index)) } }
        switch node {
        case .list(let values), .tuple(let values), .set(let values): values.forEach(add)
        case .dictionary(let items):
            for (key, value) in items {
                add(key)
                add(value)
            }
        case .object(let object):
            add(object.type)
            add(object.arguments)
            add(object.state)
            object.elements.forEach(add)
            for (key, value) in object.items {
                add(key)
                add(value)
            }
        case .persistent(let value): add(value)
        }
        return parts
    }
}
