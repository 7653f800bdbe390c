using System.Text;
using Microsoft.Extensions.Logging;
using Sluice.Hosting.Configuration;
using Sluice.Security.Sasl;

namespace Sluice.Hosting;

/// <summary>Makes what checks tokens from the settings, with where their keys come from.</summary>
internal sealed class TokenLogin : IDisposable
{
    private const int KeySetBytesMax = 1 << 20;

    private static readonly TimeSpan s_fileMaxAge = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_httpTimeout = TimeSpan.FromSeconds(10);

    private readonly HttpClient? _http;

    /// <exception cref="SettingsException">The settings contradict each other.</exception>
    public TokenLogin(OAuthBearerSettings settings, TimeProvider clock, ILogger logger)
    {
        string[] sources = [settings.JwksFile, settings.JwksUrl, settings.Secret];
        int count = sources.Count(static source => source.Length > 0);
        if (count > 1)
        {
            throw new SettingsException("Of Security:OAuthBearer:JwksFile, JwksUrl and Secret only one can be set.");
        }

        if (count == 0 && !settings.AllowUnsecuredTokens)
        {
            return;
        }

        if (settings.AllowUnsecuredTokens)
        {
            logger.LogWarning("Security:OAuthBearer:AllowUnsecuredTokens is on: any client can log in as any user");
        }

        TokenKeys keys;
        if (settings.JwksUrl.Length > 0)
        {
            if (!Uri.TryCreate(settings.JwksUrl, UriKind.Absolute, out Uri? url) || (url.Scheme != Uri.UriSchemeHttps && url.Scheme != Uri.UriSchemeHttp))
            {
                throw new SettingsException($"Security:OAuthBearer:JwksUrl is '{settings.JwksUrl}', which is no URL of http or https.");
            }

            _http = new HttpClient { Timeout = s_httpTimeout, MaxResponseContentBufferSize = KeySetBytesMax };
            keys = new TokenKeys(cancellation => DownloadAsync(url, cancellation), TimeSpan.FromMinutes(settings.JwksRefreshMinutes), clock, logger);
        }
        else if (settings.JwksFile.Length > 0)
        {
            keys = new TokenKeys(cancellation => ReadFileAsync(settings.JwksFile, cancellation), s_fileMaxAge, clock, logger);
        }
        else
        {
            keys = new TokenKeys(settings.Secret.Length > 0 ? [KeyOf(settings.Secret)] : []);
        }

        var options = new TokenOptions
        {
            Issuer = settings.Issuer,
            Audience = settings.Audience,
            UserClaim = settings.UserClaim,
            ClockSkew = TimeSpan.FromSeconds(settings.ClockSkewSeconds),
            AllowsUnsecuredTokens = settings.AllowUnsecuredTokens,
        };
        Validator = new TokenValidator(options, keys, clock);
    }

    /// <summary>Null: there is no login by tokens.</summary>
    public TokenValidator? Validator { get; }

    public void Dispose() => _http?.Dispose();

    private static TokenKey KeyOf(string secret)
    {
        try
        {
            return TokenKey.OfSecret(Encoding.UTF8.GetBytes(secret));
        }
        catch (ArgumentException)
        {
            throw new SettingsException($"Security:OAuthBearer:Secret must have at least {TokenKey.SecretBytesMin} bytes.");
        }
    }

    private static async ValueTask<ReadOnlyMemory<byte>> ReadFileAsync(string path, CancellationToken cancellation)
    {
        try
        {
            return new FileInfo(path).Length <= KeySetBytesMax
                ? await File.ReadAllBytesAsync(path, cancellation).ConfigureAwait(false)
                : throw new IOException($"'{path}' has more than {KeySetBytesMax} bytes.");
        }
        catch (UnauthorizedAccessException error)
        {
            throw new IOException(error.Message, error);
        }
    }

    private async ValueTask<ReadOnlyMemory<byte>> DownloadAsync(Uri url, CancellationToken cancellation)
    {
        try
        {
            return await _http!.GetByteArrayAsync(url, cancellation).ConfigureAwait(false);
        }
        catch (Exception error) when (error is HttpRequestException || (error is TaskCanceledException && !cancellation.IsCancellationRequested))
        {
            throw new IOException($"'{url}' does not answer with a key set: {error.Message}", error);
        }
    }
}
