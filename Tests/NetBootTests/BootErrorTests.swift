import Testing

@testable import NetBoot

@Test func `an error says what happened`() { #expect(BootError.system("no such device").description == "no such device") }
