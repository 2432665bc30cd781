import Recast
import Testing

@Test func version() { #expect(!Version.recast.isEmpty) }
