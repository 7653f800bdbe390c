using System.Security.Cryptography;
using System.Text;

namespace Sluice.Security.Tests;

public sealed class PasswordHashTests
{
    [Fact]
    public void A_hash_knows_its_password_and_no_other()
    {
        PasswordHash hash = PasswordHash.Create("geheim"u8, iterations: 1000);
        Assert.True(hash.Verify("geheim"u8));
        Assert.False(hash.Verify("Geheim"u8));
        Assert.False(hash.Verify("geheim "u8));
        Assert.False(hash.Verify(""u8));
    }

    [Fact]
    public void New_hashes_take_at_least_a_hundred_thousand_rounds() => Assert.True(PasswordHash.Create("x"u8).Iterations >= 100_000);

    [Fact]
    public void The_same_password_is_salted_differently_each_time() =>
        Assert.NotEqual(PasswordHash.Create("x"u8, 10).Encode(), PasswordHash.Create("x"u8, 10).Encode());

    [Fact]
    public void A_hash_survives_being_written_and_read()
    {
        PasswordHash hash = PasswordHash.Parse(PasswordHash.Create("geheim"u8, 1000).Encode());
        Assert.Equal(PasswordAlgorithm.Pbkdf2Sha256, hash.Algorithm);
        Assert.Equal(1000, hash.Iterations);
        Assert.True(hash.Verify("geheim"u8));
        Assert.False(hash.Verify("anders"u8));
    }

    [Fact]
    public void The_written_form_is_fixed()
    {
        // PBKDF2-HMAC-SHA256, password "password", salt "salt", 4096 rounds: a published test vector.
        byte[] expected = Convert.FromHexString("c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
        string encoded = $"pbkdf2-sha256$4096${Convert.ToBase64String("salt"u8)}${Convert.ToBase64String(expected)}";
        PasswordHash hash = PasswordHash.Parse(encoded);
        Assert.True(hash.Verify("password"u8));
        Assert.Equal(encoded, hash.Encode());
    }

    [Theory]
    [InlineData("rabbit_password_hashing_sha256", 32)]
    [InlineData(null, 32)]
    [InlineData("rabbit_password_hashing_sha512", 64)]
    public void Hashes_made_by_RabbitMQ_are_taken_over(string? algorithm, int size)
    {
        byte[] salt = [1, 2, 250, 4];
        byte[] salted = [.. salt, .. "test12"u8];
        byte[] digest = size == 32 ? SHA256.HashData(salted) : SHA512.HashData(salted);
        PasswordHash hash = PasswordHash.ImportRabbit(Convert.ToBase64String([.. salt, .. digest]), algorithm);
        Assert.True(hash.Verify("test12"u8));
        Assert.False(hash.Verify("test13"u8));
        Assert.True(PasswordHash.Parse(hash.Encode()).Verify("test12"u8));
    }

    [Fact]
    public void The_example_of_RabbitMQs_documentation_verifies()
    {
        // rabbitmq.com/docs/passwords: salt 908DC60A, password test12.
        PasswordHash hash = PasswordHash.ImportRabbit("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "rabbit_password_hashing_sha256");
        Assert.True(hash.Verify("test12"u8));
    }

    [Theory]
    [InlineData("AAAA", null)]
    [InlineData("not base64!", null)]
    [InlineData("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "rabbit_password_hashing_md5")]
    [InlineData("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "rabbit_password_hashing_sha512")]
    public void What_is_no_hash_is_refused(string base64, string? algorithm) =>
        Assert.Throws<FormatException>(() => PasswordHash.ImportRabbit(base64, algorithm));

    [Theory]
    [InlineData("")]
    [InlineData("pbkdf2-sha256$0$AAAA$AAAA")]
    [InlineData("pbkdf2-sha256$1000$AAAA")]
    [InlineData("md5$AAAA$AAAA")]
    [InlineData("pbkdf2-sha256$2000000000$AAAA$AAAA")]
    public void A_damaged_record_is_refused(string encoded) => Assert.Throws<FormatException>(() => PasswordHash.Parse(encoded));

    [Fact]
    public void Passwords_are_bytes_and_may_be_any_UTF8() =>
        Assert.True(PasswordHash.Create(Encoding.UTF8.GetBytes("пароль密码🔑"), 10).Verify(Encoding.UTF8.GetBytes("пароль密码🔑")));
}
