import Testing

@testable import Probe

@Test func `an error says what happened`() { #expect(ProbeError.system("no such device").description == "no such device") }
