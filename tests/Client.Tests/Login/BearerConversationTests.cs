using System.Text;
using Sluice.Client.Login;

namespace Sluice.Client.Tests.Login;

/// <summary>The client's side of OAUTHBEARER.</summary>
public sealed class BearerConversationTests
{
    [Fact]
    public async Task RFC7628_3_1_The_token_is_the_first_message_and_an_empty_answer_the_end()
    {
        BearerConversation conversation = New("abc.def.ghi");
        Assert.Equal("n,,\u0001auth=Bearer abc.def.ghi\u0001\u0001", Encoding.ASCII.GetString(await conversation.BeginAsync(CancellationToken.None)));
        Assert.Null(conversation.Answer([]));
    }

    [Fact]
    public void RFC7628_3_2_3_A_refusal_is_acknowledged_and_never_taken_for_a_login()
    {
        BearerConversation conversation = New("abc");
        Assert.Equal([1], conversation.Answer("{\"status\":\"invalid_token\"}"u8));
        Assert.Contains("invalid_token", Assert.Throws<InvalidDataException>(() => conversation.Answer("{\"status\":\"invalid_token\"}"u8)).Message);
        Assert.Throws<InvalidDataException>(() => conversation.Answer([]));
    }

    [Theory]
    [InlineData("", "there is no token")]
    [InlineData("a b", "letters that tokens do not have")]
    [InlineData("a\u0001auth=Bearer b", "letters that tokens do not have")]
    public async Task What_is_no_token_is_not_sent(string token, string expected) =>
        Assert.Contains(expected, (await Assert.ThrowsAsync<InvalidDataException>(() => New(token).BeginAsync(CancellationToken.None).AsTask())).Message);

    [Fact]
    public async Task A_token_that_cannot_be_had_is_told_with_its_reason()
    {
        var conversation = new BearerConversation(new SaslOAuthBearer(_ => throw new FileNotFoundException("no such file")));
        Assert.Contains("no such file", (await Assert.ThrowsAsync<InvalidDataException>(() => conversation.BeginAsync(CancellationToken.None).AsTask())).Message);
    }

    private static BearerConversation New(string token) => new(new SaslOAuthBearer(_ => ValueTask.FromResult(token)));
}
