import Testing

@testable import NixOS

@Test func `an error says what happened`() { #expect(NixOSError.system("no such device").description == "no such device") }
