using Sluice.Commands;

return await SluiceCommand.Create().Parse(args).InvokeAsync();
