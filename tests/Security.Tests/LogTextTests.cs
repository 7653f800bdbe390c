using System.Net;
using Sluice.Base.Logging;

namespace Sluice.Security.Tests;

public sealed class LogTextTests
{
    [Theory]
    [InlineData("ada", "ada")]
    [InlineData("a\r\nLogin of user 'root'", "a  Login of user 'root'")]
    [InlineData("a\tb\u2028c\u0085d", "a b c d")]
    [InlineData("\u001b[2Ja\0\u007f\u009b1m", "\uFFFD[2Ja\uFFFD\uFFFD\uFFFD1m")]
    [InlineData("\u202Enimda\u2066", "\uFFFDnimda\uFFFD")]
    [InlineData("straße 貓 😀 100%", "straße 貓 😀 100%")]
    public void What_would_end_a_line_or_speak_to_the_terminal_is_replaced(string text, string cleaned) => Assert.Equal(cleaned, LogText.Clean(text));

    [Theory]
    [InlineData("abcd", "abcd")]
    [InlineData("abcde", "abcd…")]
    [InlineData("abc😀", "abc…")]
    [InlineData("ab😀c", "ab😀…")]
    public void What_is_too_long_is_cut_between_letters(string text, string cut) => Assert.Equal(cut, LogText.Cut(text, 4));

    [Fact]
    public void Short_clean_texts_take_no_memory()
    {
        string text = new('x', LogText.NameCharsMax);
        Assert.Same(text, LogText.Clean(LogText.Cut(text)));
        long before = GC.GetAllocatedBytesForCurrentThread();
        LogText.Clean(LogText.Cut(text));
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [InlineData("192.0.2.7", "Clients from 192.0.2.7")]
    [InlineData("::ffff:192.0.2.7", "Clients from 192.0.2.7")]
    [InlineData("2001:db8:1:2:3:4:5:6", "Clients from 2001:db8:1:2::/64")]
    public void Whom_refusals_come_from_is_an_address_or_a_network_that_one_has_alone(string address, string words) => Assert.Equal(words, RefusalOrigin.Of(IPAddress.Parse(address)));
}
