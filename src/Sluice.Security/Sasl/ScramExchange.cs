using System.Text;

namespace Sluice.Security.Sasl;

/// <summary>
/// SCRAM (RFC 5802) from the server's side. Who has no credential is asked for a proof as well, by a salt that is always the same for the name, and refused
/// for the proof: nobody learns which names there are.
/// </summary>
internal sealed class ScramExchange(Authenticator authenticator, ScramMechanism mechanism, LoginOrigin origin, string serverNonce) : SaslExchange
{
    private ClientFirst? _first;
    private string _serverFirst = "";
    private User? _user;
    private ScramCredential? _credential;
    private bool _isDecoy;

    public override async ValueTask<SaslStep> NextAsync(ReadOnlyMemory<byte> message, CancellationToken cancellation) =>
        _first is null ? await BeginAsync(message).ConfigureAwait(false) : Finish(message.Span);

    private async ValueTask<SaslStep> BeginAsync(ReadOnlyMemory<byte> message)
    {
        if (!ScramMessages.TryReadFirst(message.Span, out ClientFirst? first))
        {
            return Refuse(LoginRefusal.Malformed, "the first SCRAM message cannot be read");
        }

        _first = first;
        if (first.IsToken || first.WantsChannelBinding)
        {
            return Refuse(LoginRefusal.Unsupported, first.IsToken ? "it asks for a login by delegation token, which is not served" : "it asks for channel binding, which is not served");
        }

        if (first.AuthorizationName.Length > 0 && first.AuthorizationName != first.UserName)
        {
            return Refuse(LoginRefusal.BadCredentials, "it asks to act for another user");
        }

        _user = authenticator.FindUser(first.UserName);
        _credential = _user?.Scram.FirstOrDefault(credential => credential.Mechanism == mechanism);
        _isDecoy = _credential is null;
        _credential ??= await authenticator.Decoys.MakeAsync(first.UserName, mechanism).ConfigureAwait(false);
        _serverFirst = $"r={first.Nonce}{serverNonce},s={Convert.ToBase64String(_credential.Salt)},i={_credential.Iterations}";
        return new SaslStep(Encoding.UTF8.GetBytes(_serverFirst), null);
    }

    private SaslStep Finish(ReadOnlySpan<byte> message)
    {
        if (_credential is not { } credential || !ScramMessages.TryReadFinal(message, out ClientFinal? final))
        {
            return Refuse(LoginRefusal.Malformed, "the final SCRAM message cannot be read");
        }

        // Ends with, because old versions of librdkafka put their nonce before it once more; it is part of what is signed.
        if (final.ChannelBinding != Convert.ToBase64String(Encoding.UTF8.GetBytes(_first!.Header)) || !final.Nonce.EndsWith(_first.Nonce + serverNonce, StringComparison.Ordinal))
        {
            return Refuse(LoginRefusal.BadCredentials, "the final SCRAM message does not belong to the first");
        }

        byte[] signed = Encoding.UTF8.GetBytes($"{_first.Bare},{_serverFirst},{final.WithoutProof}");
        bool isProven = mechanism.Algorithm().IsProof(final.Proof, credential.StoredKey, signed);
        if (!isProven || _isDecoy || _user is not { } user)
        {
            return Refuse(
                LoginRefusal.BadCredentials,
                _user is null ? "there is no such user" : _isDecoy ? $"the user has no credential for {mechanism.Name()}" : "the password is wrong");
        }

        LoginResult login = authenticator.Admit(user, origin);
        string serverFinal = $"v={Convert.ToBase64String(mechanism.Algorithm().Sign(credential.ServerKey, signed))}";
        return new SaslStep(login.Succeeded ? Encoding.UTF8.GetBytes(serverFinal) : default, login);
    }

    private SaslStep Refuse(LoginRefusal refusal, string reason) => new(default, authenticator.Refuse(refusal, _first?.UserName ?? "", origin, reason));
}
