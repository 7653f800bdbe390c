using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Sluice.Security.Sasl;

/// <summary>The client's messages of SCRAM (RFC 5802, section 7).</summary>
internal static class ScramMessages
{
    private const int MessageBytesMax = 16 << 10;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary><c>gs2-header [m=…,] n=user,r=nonce[,extensions]</c></summary>
    public static bool TryReadFirst(ReadOnlySpan<byte> message, [NotNullWhen(true)] out ClientFirst? first)
    {
        first = null;
        if (!TryDecode(message, out string? text) || text.Split(',') is not [var binding, var authorization, .. var bare] || bare.Length < 2)
        {
            return false;
        }

        string? authorizationName = authorization.Length == 0 ? "" : Attribute(authorization, 'a') is { Length: > 0 } written ? Name(written) : null;
        if (binding is not ("n" or "y") && !binding.StartsWith("p=", StringComparison.Ordinal))
        {
            return false;
        }

        if (authorizationName is null || Attribute(bare[0], 'm') is not null || Attribute(bare[0], 'n') is not { Length: > 0 } name || Name(name) is not { } userName || Attribute(bare[1], 'r') is not { Length: > 0 } nonce)
        {
            return false;
        }

        int headerChars = binding.Length + authorization.Length + 2;
        first = new ClientFirst(text[..headerChars], text[headerChars..], userName, authorizationName, nonce)
        {
            WantsChannelBinding = binding[0] == 'p',
            IsToken = bare.AsSpan(2).Contains("tokenauth=true"),
        };
        return true;
    }

    /// <summary><c>c=channel-binding,r=nonce[,extensions],p=proof</c></summary>
    public static bool TryReadFinal(ReadOnlySpan<byte> message, [NotNullWhen(true)] out ClientFinal? final)
    {
        final = null;
        if (!TryDecode(message, out string? text)
            || text.Split(',') is not [var binding, var nonce, .., var proof]
            || Attribute(binding, 'c') is not { } header
            || Attribute(nonce, 'r') is not { Length: > 0 } both
            || Attribute(proof, 'p') is not { } encoded)
        {
            return false;
        }

        byte[] bytes = new byte[encoded.Length];
        if (!Convert.TryFromBase64String(encoded, bytes, out int proofBytes))
        {
            return false;
        }

        final = new ClientFinal(header, both, bytes[..proofBytes], text[..^(proof.Length + 1)]);
        return true;
    }

    private static bool TryDecode(ReadOnlySpan<byte> message, [NotNullWhen(true)] out string? text)
    {
        text = null;
        if (message.IsEmpty || message.Length > MessageBytesMax || message.Contains((byte)0))
        {
            return false;
        }

        try
        {
            text = StrictUtf8.GetString(message);
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }

    private static string? Attribute(string part, char key) => part.Length >= 2 && part[0] == key && part[1] == '=' ? part[2..] : null;

    /// <summary>',' is written as "=2C" and '=' as "=3D"; any other '=' is an error.</summary>
    private static string? Name(string written)
    {
        string name = written.Replace("=2C", ",", StringComparison.Ordinal);
        for (int i = written.IndexOf('=', StringComparison.Ordinal); i >= 0; i = written.IndexOf('=', i + 1))
        {
            if (written.AsSpan(i) is not (['=', '2', 'C', ..] or ['=', '3', 'D', ..]))
            {
                return null;
            }
        }

        return name.Replace("=3D", "=", StringComparison.Ordinal);
    }
}

/// <param name="Header">The GS2 header, which the client's second message repeats.</param>
/// <param name="Bare">The rest, which is part of what is signed.</param>
/// <param name="UserName">Who logs in.</param>
/// <param name="AuthorizationName">For whom it wants to act; empty: for itself.</param>
/// <param name="Nonce">The client's.</param>
internal sealed record ClientFirst(string Header, string Bare, string UserName, string AuthorizationName, string Nonce)
{
    public bool WantsChannelBinding { get; init; }

    /// <summary>The name is that of one of Kafka's delegation tokens (KIP-48).</summary>
    public bool IsToken { get; init; }
}

/// <param name="ChannelBinding">Base64 of the GS2 header, as no channel binding is offered.</param>
/// <param name="Nonce">Client's and server's.</param>
/// <param name="Proof">That the client knows the password.</param>
/// <param name="WithoutProof">The message up to the proof, which is part of what is signed.</param>
internal sealed record ClientFinal(string ChannelBinding, string Nonce, byte[] Proof, string WithoutProof);
