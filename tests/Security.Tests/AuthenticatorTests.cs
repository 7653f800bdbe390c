using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Logging;
using Sluice.TestKit.Time;

namespace Sluice.Security.Tests;

public sealed class AuthenticatorTests
{
    private static readonly LoginOrigin Local = new(new IPEndPoint(IPAddress.Loopback, 5000), null);
    private static readonly LoginOrigin LocalV6 = new(new IPEndPoint(IPAddress.IPv6Loopback, 5000), null);
    private static readonly LoginOrigin Far = new(new IPEndPoint(IPAddress.Parse("192.0.2.7"), 5000), null);

    private readonly ManualTimeProvider _clock = new();
    private readonly RecordingLogger<Authenticator> _log = new();
    private readonly AccessControl _control = new(new MemorySecurityStore(), NullLogger<AccessControl>.Instance);

    private async Task<Authenticator> StartAsync(AuthenticatorOptions? options = null)
    {
        await _control.CreateFirstUserAsync("guest", "guest", "/");
        await _control.PutUserAsync(new User("ada", PasswordHash.Create("lovelace"u8, 1000), [], default));
        await _control.PutUserAsync(new User("cert-only", null, [], default));
        return new Authenticator(_control, options ?? new AuthenticatorOptions(), _clock, _log);
    }

    private static byte[] Plain(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>Takes the warnings that there are.</summary>
    private string[] Warnings()
    {
        string[] warnings = [.. _log.Lines.Where(static line => line.Level >= LogLevel.Warning).Select(static line => line.Text)];
        _log.Lines.Clear();
        return warnings;
    }

    [Fact]
    public async Task RFC4616_A_name_and_its_password_are_let_in()
    {
        Authenticator authenticator = await StartAsync();
        LoginResult result = await authenticator.LoginPlainAsync(Plain("\0ada\0lovelace"), Far);
        Assert.Equal(LoginRefusal.None, result.Refusal);
        Assert.Equal("ada", result.User!.Name);
        Assert.True((await authenticator.LoginPlainAsync(Plain("ada\0ada\0lovelace"), Far)).Succeeded);
        Assert.True((await authenticator.LoginPasswordAsync("ada", Plain("lovelace"), Far)).Succeeded);
    }

    [Theory]
    [InlineData("\0ada\0wrong", LoginRefusal.BadCredentials)]
    [InlineData("\0ada\0", LoginRefusal.BadCredentials)]
    [InlineData("\0ada\0lovelace\0", LoginRefusal.Malformed)]
    [InlineData("\0nobody\0lovelace", LoginRefusal.BadCredentials)]
    [InlineData("\0cert-only\0lovelace", LoginRefusal.BadCredentials)]
    [InlineData("\0cert-only\0", LoginRefusal.BadCredentials)]
    [InlineData("\0\0lovelace", LoginRefusal.BadCredentials)]
    [InlineData("bob\0ada\0lovelace", LoginRefusal.BadCredentials)]
    [InlineData("ada\0lovelace", LoginRefusal.Malformed)]
    [InlineData("", LoginRefusal.Malformed)]
    [InlineData("ada", LoginRefusal.Malformed)]
    public async Task RFC4616_Everything_else_is_refused_and_logged(string response, LoginRefusal refusal)
    {
        Authenticator authenticator = await StartAsync();
        LoginResult result = await authenticator.LoginPlainAsync(Plain(response), Far);
        Assert.False(result.Succeeded);
        Assert.Equal(refusal, result.Refusal);
        Assert.True(_log.Has(LogLevel.Warning, "192.0.2.7"));
        Assert.DoesNotContain(_log.Lines, line => line.Text.Contains("lovelace", StringComparison.Ordinal));
    }

    [Fact]
    public async Task RFC4616_A_name_that_is_not_UTF8_is_malformed()
    {
        Authenticator authenticator = await StartAsync();
        LoginResult result = await authenticator.LoginPlainAsync(new byte[] { 0, 0xff, 0xfe, 0, 65 }, Far);
        Assert.Equal(LoginRefusal.Malformed, result.Refusal);
    }

    [Fact]
    public async Task The_same_refusal_is_logged_once_and_then_once_a_minute_with_its_number_and_counted_each_time()
    {
        Authenticator authenticator = await StartAsync();
        for (int i = 0; i < 10; i++)
        {
            // Each from another port, as clients do that try again.
            Assert.False((await authenticator.LoginPlainAsync(Plain("\0ada\0wrong"), new LoginOrigin(new IPEndPoint(Far.Remote.Address, 5000 + i), null, "billing"))).Succeeded);
        }

        Assert.Equal(["Login of user 'ada' from 192.0.2.7:5000, client 'billing', refused: the password is wrong"], Warnings());
        Assert.Equal(10, authenticator.CountRefused(LoginRefusal.BadCredentials));

        // Another user, another address or another reason is another refusal.
        await authenticator.LoginPlainAsync(Plain("\0bob\0wrong"), Far);
        await authenticator.LoginPlainAsync(Plain("\0ada\0wrong"), Local);
        await _control.DeleteUserAsync("ada");
        await authenticator.LoginPlainAsync(Plain("\0ada\0wrong"), Far);
        Assert.Equal(
            [
                "Login of user 'bob' from 192.0.2.7:5000 refused: there is no such user",
                "Login of user 'ada' from 127.0.0.1:5000 refused: the password is wrong",
                "Login of user 'ada' from 192.0.2.7:5000 refused: there is no such user",
            ],
            Warnings());
        _clock.Advance(RefusalLog.Period);
        Assert.Equal(["Login of user 'ada' from 192.0.2.7 was refused 9 more times within a minute: the password is wrong"], Warnings());
        _clock.Advance(RefusalLog.Period);
        Assert.Empty(Warnings());
        await authenticator.LoginPlainAsync(Plain("\0bob\0wrong"), Far);
        Assert.Single(Warnings());
        Assert.Equal(14, authenticator.CountRefused(LoginRefusal.BadCredentials));
    }

    [Fact]
    public async Task A_client_that_does_not_log_in_is_told_of_and_counted_in_the_same_way()
    {
        Authenticator authenticator = await StartAsync();
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(LoginRefusal.NoLogin, authenticator.LoginTrusted("guest", Far, "Kafka:AnonymousUser").Refusal);
        }

        Assert.Equal(
            ["A client from 192.0.2.7:5000 that does not log in is refused: it would be user 'guest', who may connect from the broker's own machine only (Security:LoopbackUsers). Let it log in, or name another user with Kafka:AnonymousUser"],
            Warnings());
        Assert.Equal(10, authenticator.CountRefused(LoginRefusal.NoLogin));
        _clock.Advance(RefusalLog.Period);
        Assert.Equal(
            ["Clients from 192.0.2.7 that do not log in were refused 9 more times within a minute: they would be user 'guest', who may connect from the broker's own machine only (Security:LoopbackUsers)"],
            Warnings());
        Assert.False(authenticator.WouldAdmitTrusted("guest", Far));
        Assert.Equal(10, authenticator.CountRefused(LoginRefusal.NoLogin));
    }

    [Fact]
    public async Task Who_guesses_names_fills_no_log_and_what_was_held_back_is_told_at_the_end()
    {
        Authenticator authenticator = await StartAsync();
        for (int i = 0; i < 500; i++)
        {
            await authenticator.LoginPlainAsync(Plain($"\0{i}{new string('x', 10_000)}\0"), Far);
        }

        string[] lines = Warnings();
        Assert.Equal(RefusalLog.KeysOfOneMax, lines.Length);
        Assert.All(lines, static line => Assert.True(line.Length < 400));
        Assert.Equal(500, authenticator.CountRefused(LoginRefusal.BadCredentials));
        authenticator.Dispose();
        Assert.Equal(["Clients from 192.0.2.7: 490 more logins were refused within a minute, beyond 10 different ones that are told of"], Warnings());
    }

    [Fact]
    public async Task Who_guesses_names_for_ever_leaves_room_in_the_log_for_others()
    {
        Authenticator authenticator = await StartAsync();
        for (int minute = 0; minute < 5; minute++)
        {
            for (int i = 0; i < 2 * 2 * RefusalLog.KeysMax; i++)
            {
                authenticator.Refuse(LoginRefusal.BadCredentials, $"{i / 2}", Far, "there is no such user");
            }

            Warnings();
            authenticator.Refuse(LoginRefusal.BadCredentials, $"bob{minute}", Local, "there is no such user");
            Assert.Equal([$"Login of user 'bob{minute}' from 127.0.0.1:5000 refused: there is no such user"], Warnings());
            _clock.Advance(RefusalLog.Period);
            string[] again = Warnings();
            Assert.Equal(RefusalLog.KeysOfOneMax + 1, again.Length);
            Assert.Equal("Clients from 192.0.2.7: 380 more logins were refused within a minute, beyond 10 different ones that are told of", again[^1]);
        }
    }

    [Fact]
    public async Task Of_so_many_addresses_that_there_is_no_room_for_more_the_number_is_told()
    {
        Authenticator authenticator = await StartAsync();
        for (int i = 0; i < RefusalLog.KeysMax + 5; i++)
        {
            authenticator.Refuse(LoginRefusal.BadCredentials, "bob", new LoginOrigin(new IPEndPoint(new IPAddress(new byte[] { 10, 0, 0, (byte)i }), 5000), null), "there is no such user");
        }

        Assert.Equal(RefusalLog.KeysMax, Warnings().Length);
        _clock.Advance(RefusalLog.Period);
        Assert.Equal(["5 more logins were refused within a minute, beyond 100 different ones that are told of"], Warnings());
    }

    [Fact]
    public async Task The_default_user_comes_in_from_this_machine_only()
    {
        Authenticator authenticator = await StartAsync();
        Assert.True((await authenticator.LoginPlainAsync(Plain("\0guest\0guest"), Local)).Succeeded);
        Assert.True((await authenticator.LoginPlainAsync(Plain("\0guest\0guest"), LocalV6)).Succeeded);
        Assert.Equal(LoginRefusal.LoopbackOnly, (await authenticator.LoginPlainAsync(Plain("\0guest\0guest"), Far)).Refusal);
        Assert.Equal(LoginRefusal.BadCredentials, (await authenticator.LoginPlainAsync(Plain("\0guest\0wrong"), Far)).Refusal);
    }

    [Fact]
    public async Task Which_users_are_kept_to_this_machine_can_be_set()
    {
        Authenticator authenticator = await StartAsync(new AuthenticatorOptions { LoopbackUsers = ["ada"] });
        Assert.True((await authenticator.LoginPlainAsync(Plain("\0guest\0guest"), Far)).Succeeded);
        Assert.Equal(LoginRefusal.LoopbackOnly, (await authenticator.LoginPlainAsync(Plain("\0ada\0lovelace"), Far)).Refusal);
    }

    [Fact(Timeout = 120_000)]
    public async Task A_reconnect_storm_does_not_pay_for_the_hash_again()
    {
        Authenticator authenticator = await StartAsync();
        await _control.PutUserAsync(new User("slow", PasswordHash.Create("p"u8, 2_000_000), [], default));
        // Two million iterations take most of a second: hashed each time, these logins would outlast the test's time-out many times over.
        for (int i = 0; i < 5000; i++)
        {
            Assert.True((await authenticator.LoginPlainAsync(Plain("\0slow\0p"), Far)).Succeeded);
        }
    }

    [Fact]
    public async Task Many_at_once_with_the_right_password_are_all_let_in()
    {
        Authenticator authenticator = await StartAsync();
        LoginResult[] results = await Task.WhenAll(Enumerable.Range(0, 500).Select(_ => authenticator.LoginPlainAsync(Plain("\0guest\0guest"), Local).AsTask()));
        Assert.All(results, result => Assert.True(result.Succeeded));
    }

    [Fact]
    public async Task A_remembered_password_does_not_outlive_its_change()
    {
        Authenticator authenticator = await StartAsync();
        Assert.True((await authenticator.LoginPlainAsync(Plain("\0ada\0lovelace"), Far)).Succeeded);
        Assert.False((await authenticator.LoginPlainAsync(Plain("\0ada\0byron"), Far)).Succeeded);
        await _control.PutUserAsync(new User("ada", PasswordHash.Create("byron"u8, 1000), [], default));
        Assert.False((await authenticator.LoginPlainAsync(Plain("\0ada\0lovelace"), Far)).Succeeded);
        Assert.True((await authenticator.LoginPlainAsync(Plain("\0ada\0byron"), Far)).Succeeded);
        await _control.DeleteUserAsync("ada");
        Assert.False((await authenticator.LoginPlainAsync(Plain("\0ada\0byron"), Far)).Succeeded);
    }

    [Fact]
    public void EXTERNAL_is_offered_only_to_who_has_a_certificate()
    {
        Assert.DoesNotContain("EXTERNAL", Authenticator.Mechanisms(hasClientCertificate: false), StringComparison.Ordinal);
        Assert.Equal(["EXTERNAL", "PLAIN", "AMQPLAIN"], Authenticator.Mechanisms(hasClientCertificate: true).Split(' '));
    }

    [Theory]
    [InlineData("CN=worker,O=Example", CertificateLogin.DistinguishedName, "CN=worker,O=Example")]
    [InlineData("CN=worker,O=Example", CertificateLogin.CommonName, "worker")]
    [InlineData("CN=\"a,b\",ST=Bern,C=CH", CertificateLogin.DistinguishedName, "CN=a\\,b,ST=Bern,C=CH")]
    [InlineData("CN=\"a,b\",C=CH", CertificateLogin.CommonName, "a,b")]
    public async Task EXTERNAL_takes_the_name_from_the_certificate(string subject, CertificateLogin what, string userName)
    {
        Authenticator authenticator = await StartAsync(new AuthenticatorOptions { CertificateLogin = what });
        await _control.PutUserAsync(new User(userName, null, [], default));
        using X509Certificate2 certificate = SelfSigned(subject);
        LoginResult result = authenticator.LoginExternal(Far with { Certificate = certificate });
        Assert.Equal(userName, result.UserName);
        Assert.True(result.Succeeded);
    }

    [Fact]
    public async Task EXTERNAL_without_certificate_name_or_user_is_refused()
    {
        Authenticator authenticator = await StartAsync(new AuthenticatorOptions { CertificateLogin = CertificateLogin.CommonName });
        Assert.Equal(LoginRefusal.NoCertificate, authenticator.LoginExternal(Far).Refusal);
        using X509Certificate2 nameless = SelfSigned("O=Example");
        Assert.Equal(LoginRefusal.NoCertificate, authenticator.LoginExternal(Far with { Certificate = nameless }).Refusal);
        using X509Certificate2 stranger = SelfSigned("CN=stranger");
        Assert.Equal(LoginRefusal.BadCredentials, authenticator.LoginExternal(Far with { Certificate = stranger }).Refusal);
        using X509Certificate2 guest = SelfSigned("CN=guest");
        Assert.Equal(LoginRefusal.LoopbackOnly, authenticator.LoginExternal(Far with { Certificate = guest }).Refusal);
    }

    private static X509Certificate2 SelfSigned(string subject)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest(subject, key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
