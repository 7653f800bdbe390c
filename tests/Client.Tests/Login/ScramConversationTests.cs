using System.Text;
using Sluice.Base.Sasl;
using Sluice.Client.Login;

namespace Sluice.Client.Tests.Login;

/// <summary>The client's side of SCRAM, with the example of RFC 7677.</summary>
public sealed class ScramConversationTests
{
    private const string Nonce = "rOprNGfwEbeRWgbNEkqO";
    private const string BothNonces = Nonce + "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    private const string ServerFirst = $"r={BothNonces},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    private const string ServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    [Fact]
    public async Task RFC7677_3_The_example()
    {
        ScramConversation conversation = New();
        Assert.Equal($"n,,n=user,r={Nonce}", Text(await conversation.BeginAsync(CancellationToken.None)));
        Assert.Equal($"c=biws,r={BothNonces},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", Text(conversation.Answer(Bytes(ServerFirst))));
        Assert.Null(conversation.Answer(Bytes(ServerFinal)));
    }

    [Fact]
    public async Task RFC5802_5_1_Commas_and_equals_signs_of_names_are_written_otherwise() =>
        Assert.Equal($"n,,n=a=3D2C=2Cb,r={Nonce}", Text(await New("a=2C,b").BeginAsync(CancellationToken.None)));

    [Theory]
    [InlineData($"r={Nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "another login")] // nothing of the server's
    [InlineData("r=ropr,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "another login")]
    [InlineData($"r={BothNonces},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095", "4095 iterations")]
    [InlineData($"r={BothNonces},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000", "2000000000 iterations")]
    [InlineData($"r={BothNonces},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-4096", "cannot be read")]
    [InlineData($"r={BothNonces},s=,i=4096", "cannot be read")]
    [InlineData($"r={BothNonces},s=!,i=4096", "cannot be read")]
    [InlineData($"m=more,r={BothNonces},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "cannot be read")] // an extension that must be understood
    [InlineData("", "cannot be read")]
    public void RFC5802_7_A_first_answer_that_is_not_right_is_refused(string first, string expected) =>
        Assert.Contains(expected, Assert.Throws<InvalidDataException>(() => New().Answer(Bytes(first))).Message);

    [Theory]
    [InlineData("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "does not prove")]
    [InlineData("v=", "does not prove")]
    [InlineData("e=other-error", "other-error")]
    [InlineData("", "does not prove")]
    public void RFC5802_3_A_broker_that_does_not_know_the_password_is_not_believed(string final, string expected)
    {
        ScramConversation conversation = New();
        conversation.Answer(Bytes(ServerFirst));
        Assert.Contains(expected, Assert.Throws<InvalidDataException>(() => conversation.Answer(Bytes(final))).Message);
    }

    [Fact]
    public void No_beginning_of_the_answers_is_taken_for_the_whole()
    {
        for (int length = 0; length < ServerFirst.Length; length++)
        {
            Assert.Throws<InvalidDataException>(() => New().Answer(Bytes(ServerFirst[..length])));
        }

        ScramConversation conversation = New();
        conversation.Answer(Bytes(ServerFirst));
        for (int length = 0; length < ServerFinal.Length; length++)
        {
            Assert.Throws<InvalidDataException>(() => conversation.Answer(Bytes(ServerFinal[..length])));
        }

        Assert.Throws<InvalidDataException>(() => New().Answer(Bytes(ServerFirst + "," + new string('x', 20_000))));
    }

    [Fact]
    public void Secrets_are_not_printed()
    {
        string[] printed = [new SaslPlain("ada", "hidden").ToString(), new SaslScram("ada", "hidden").ToString(), new SaslOAuthBearer(_ => ValueTask.FromResult("hidden")).ToString()];
        Assert.Equal(["'ada' by PLAIN", "'ada' by SCRAM-SHA-512", "the owner of the token by OAUTHBEARER"], printed);
        Assert.DoesNotContain("hidden", new Sluice.Client.Producing.ProducerOptions { BootstrapServers = "b", Sasl = new SaslPlain("ada", "hidden") }.ToString());
    }

    private static ScramConversation New(string user = "user") => new(new SaslScram(user, "pencil") { Algorithm = ScramAlgorithm.Sha256 }, Nonce);

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string Text(byte[]? bytes) => Encoding.UTF8.GetString(bytes!);
}
