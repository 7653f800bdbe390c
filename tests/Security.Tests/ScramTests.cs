using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Sasl;
using Sluice.Security.Sasl;

namespace Sluice.Security.Tests;

public sealed class ScramTests
{
    private static readonly LoginOrigin Local = new(new IPEndPoint(IPAddress.Loopback, 5000), null);
    private static readonly LoginOrigin Far = new(new IPEndPoint(IPAddress.Parse("192.0.2.7"), 5000), null);

    private readonly MemorySecurityStore _store = new();
    private readonly RecordingLogger<Authenticator> _log = new();

    private AccessControl Open() => new(_store, NullLogger<AccessControl>.Instance);

    private Authenticator Start(AccessControl control) => new(control, new AuthenticatorOptions(), TimeProvider.System, _log);

    [Fact]
    public async Task RFC7677_3_The_example()
    {
        AccessControl control = Open();
        byte[] salt = Convert.FromBase64String("W22ZaJ0SNY7soEsUEjb6gQ==");
        byte[] salted = ScramAlgorithm.Sha256.SaltedPassword("pencil"u8, salt, 4096);
        await control.AlterScramAsync([new ScramChange("user", ScramMechanism.Sha256, ScramCredential.FromSaltedPassword(ScramMechanism.Sha256, 4096, salt, salted))]);
        var exchange = new ScramExchange(Start(control), ScramMechanism.Sha256, Local, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        SaslStep first = await SayAsync(exchange, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        Assert.Null(first.Login);
        Assert.Equal("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", Text(first));
        SaslStep final = await SayAsync(exchange, "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        Assert.Equal("user", final.Login!.Value.User!.Name);
        Assert.Equal("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", Text(final));
    }

    [Theory]
    [InlineData("c=eSws,r=abcdef,p=")] // the header of "y,,"
    [InlineData("c=biws,r=abcde,p=")]
    [InlineData("c=biws,r=abcdefg,p=")]
    public async Task RFC5802_5_1_What_does_not_belong_to_the_first_message_is_refused(string final)
    {
        AccessControl control = Open();
        await control.CreateFirstUserAsync("guest", "guest", "/");
        var exchange = new ScramExchange(Start(control), ScramMechanism.Sha512, Local, "def");
        await SayAsync(exchange, "n,,n=guest,r=abc");
        SaslStep step = await SayAsync(exchange, final + Convert.ToBase64String(new byte[64]));
        Assert.Equal(LoginRefusal.BadCredentials, step.Login!.Value.Refusal);
        Assert.True(_log.Has(LogLevel.Warning, "does not belong"));
    }

    [Fact]
    public async Task Where_a_user_may_come_from_counts()
    {
        AccessControl control = Open();
        byte[] salted = ScramAlgorithm.Sha256.SaltedPassword("pencil"u8, "salt"u8, 4096);
        await control.AlterScramAsync([new ScramChange("guest", ScramMechanism.Sha256, ScramCredential.FromSaltedPassword(ScramMechanism.Sha256, 4096, "salt"u8, salted))]);
        Assert.Equal(LoginRefusal.LoopbackOnly, (await LogInAsync(control, "guest", "pencil", Far)).Refusal);
        Assert.True((await LogInAsync(control, "guest", "pencil", Local)).Succeeded);
        Assert.Equal(LoginRefusal.BadCredentials, (await LogInAsync(control, "guest", "Pencil", Local)).Refusal);
    }

    [Fact]
    public async Task Credentials_outlive_a_restart_and_follow_the_password()
    {
        AccessControl control = Open();
        await control.PutUserAsync(control.WithPassword(new User("ada", null, [], default), "lovelace"));
        Assert.True((await LogInAsync(control, "ada", "lovelace", Far)).Succeeded);
        control = Open();
        Assert.True((await LogInAsync(control, "ada", "lovelace", Far)).Succeeded);

        // Other tags, the same password.
        await control.PutUserAsync(control.FindUser("ada")! with { Tags = ["monitoring"], Scram = [] });
        Assert.True((await LogInAsync(control, "ada", "lovelace", Far)).Succeeded);
        await control.PutUserAsync(control.WithPassword(control.FindUser("ada")!, "byron"));
        Assert.False((await LogInAsync(control, "ada", "lovelace", Far)).Succeeded);
        Assert.True((await LogInAsync(control, "ada", "byron", Far)).Succeeded);

        // Of a hash that comes without its password no credential can be made.
        await control.PutUserAsync(new User("ada", PasswordHash.Create("augusta"u8, 1000), [], default));
        Assert.Empty(control.FindUser("ada")!.Scram);
        await control.DeleteUserAsync("ada");
        Assert.False((await LogInAsync(control, "ada", "byron", Far)).Succeeded);
    }

    [Fact]
    public async Task A_broker_can_be_set_to_keep_no_credentials_of_passwords()
    {
        var control = new AccessControl(_store, NullLogger<AccessControl>.Instance, scramFromPasswords: false);
        await control.CreateFirstUserAsync("guest", "guest", "/");
        Assert.Empty(control.FindUser("guest")!.Scram);
        Assert.True((await Start(control).LoginPasswordAsync("guest", Encoding.UTF8.GetBytes("guest"), Local)).Succeeded);
    }

    [Fact]
    public async Task RFC5802_Strangers_are_shown_what_users_are_shown()
    {
        AccessControl control = Open();
        await control.AlterScramAsync([new ScramChange("tool", ScramMechanism.Sha256, ScramCredential.FromSaltedPassword(ScramMechanism.Sha256, 5000, new byte[25], new byte[32]))]);
        string seen = Text(await SayAsync(Start(control).Begin("SCRAM-SHA-256", Local)!, "n,,n=stranger,r=abc"));
        string[] parts = seen.Split(',');
        Assert.Equal("i=5000", parts[2]);
        Assert.Equal(25, Convert.FromBase64String(parts[1][2..]).Length);

        // The same after a restart, and another for another name.
        control = Open();
        Assert.Equal(parts[1], Text(await SayAsync(Start(control).Begin("SCRAM-SHA-256", Local)!, "n,,n=stranger,r=abc")).Split(',')[1]);
        Assert.NotEqual(parts[1], Text(await SayAsync(Start(control).Begin("SCRAM-SHA-256", Local)!, "n,,n=another,r=abc")).Split(',')[1]);
        Assert.Equal(LoginRefusal.BadCredentials, (await LogInAsync(control, "stranger", "x", Local)).Refusal);
    }

    private static async Task<SaslStep> SayAsync(SaslExchange exchange, string message) => await exchange.NextAsync(Encoding.UTF8.GetBytes(message), CancellationToken.None);

    private static string Text(SaslStep step) => Encoding.UTF8.GetString(step.Challenge.Span);

    /// <summary>As a client does it.</summary>
    private async Task<LoginResult> LogInAsync(AccessControl control, string user, string password, LoginOrigin origin)
    {
        const ScramMechanism Mechanism = ScramMechanism.Sha256;
        SaslExchange exchange = Start(control).Begin(Mechanism.Name(), origin)!;
        string serverFirst = Text(await SayAsync(exchange, $"n,,n={user},r=abc"));
        string[] parts = [.. serverFirst.Split(',').Select(static part => part[2..])];
        byte[] salted = ScramAlgorithm.Sha256.SaltedPassword(Encoding.UTF8.GetBytes(password), Convert.FromBase64String(parts[1]), int.Parse(parts[2]));
        byte[] said = Encoding.UTF8.GetBytes($"n={user},r=abc,{serverFirst},c=biws,r={parts[0]}");
        string proof = Convert.ToBase64String(ScramAlgorithm.Sha256.Proof(ScramAlgorithm.Sha256.ClientKey(salted), said));
        return (await SayAsync(exchange, $"c=biws,r={parts[0]},p={proof}")).Login!.Value;
    }
}
